// Numbers as they lie in memory: float32, or bfloat16 (the upper half of a float32) where space and AMX matter.
#pragma once
#include <cstdint>
#include <cstring>

namespace kernels {

// How many parts of at most `size` something has.
inline int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

enum class Type : int { float32 = 0, bfloat16 = 1 };

inline bool is_float(int type) { return Type(type) == Type::float32; }

struct bfloat16 {
  uint16_t bits;
};

inline float load(const float &x) { return x; }

inline float load(const bfloat16 &x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void store(float &to, float x) { to = x; }

// Rounds to nearest, ties to even. A NaN stays one, whatever its lower half.
inline void store(bfloat16 &to, float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, quiet = (bits >> 16) | 0x40u;
  to.bits = uint16_t((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

// exp of a number that is at most 88, within 2 units in the last place; below -87 it is 0, and of NaN it is NaN.
inline float exponential(float x) {
  const float power = __builtin_rintf(x * 1.44269504f);
  const float rest = (x - power * 0.693359375f) - power * -2.12194440e-4f;
  float value = 1.f / 5040;
  value = value * rest + 1.f / 720;
  value = value * rest + 1.f / 120;
  value = value * rest + 1.f / 24;
  value = value * rest + 1.f / 6;
  value = value * rest + 0.5f;
  value = value * rest + 1.f;
  value = value * rest + 1.f;
  const int32_t exponent = (int32_t(power > -126.f ? power < 127.f ? power : 127.f : -126.f) + 127) << 23;
  float scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  return x < -87.f ? 0.f : value * scale;
}

}  // namespace kernels
