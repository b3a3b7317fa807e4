// Philox 4x32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four numbers for
// each counter, without a state. Several counters at once, each in 64 bits of a vector, because a vector instruction
// multiplies 32 by 32 bits where it has 64 for the product.
#pragma once
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace kernels {

#if defined(__AVX512F__)
typedef uint64_t Words __attribute__((vector_size(64)));
// All lanes are wanted; without a mask, GCC 12 warns of the lanes that another mask would leave.
inline Words multiply_low_halves(Words a, Words b) { return Words(_mm512_maskz_mul_epu32(0xff, __m512i(a), __m512i(b))); }
#elif defined(__AVX2__)
typedef uint64_t Words __attribute__((vector_size(32)));
inline Words multiply_low_halves(Words a, Words b) { return Words(_mm256_mul_epu32(__m256i(a), __m256i(b))); }
#else
typedef uint64_t Words __attribute__((vector_size(16)));
inline Words multiply_low_halves(Words a, Words b) { return (a & 0xffffffffu) * (b & 0xffffffffu); }
#endif

constexpr int word_lanes = sizeof(Words) / sizeof(uint64_t);

inline Words all_lanes(uint64_t x) { return Words{} + x; }

inline Words lane_numbers() {
  Words numbers;
  for (int lane = 0; lane < word_lanes; ++lane) numbers[lane] = uint64_t(lane);
  return numbers;
}

// The four numbers for the counters (counter, stream, 0); each is the lower half of its lane, whatever the upper one is.
inline void philox(uint64_t seed, Words counter, uint32_t stream, Words numbers[4]) {
  const Words multiplier0 = all_lanes(0xD2511F53u), multiplier1 = all_lanes(0xCD9E8D57u);
  uint32_t key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
  Words x0 = counter, x1 = counter >> 32, x2 = all_lanes(stream), x3 = all_lanes(0);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const Words product0 = multiply_low_halves(multiplier0, x0);
    const Words product1 = multiply_low_halves(multiplier1, x2);
    x0 = (product1 >> 32) ^ x1 ^ all_lanes(key0);
    x1 = product1;
    x2 = (product0 >> 32) ^ x3 ^ all_lanes(key1);
    x3 = product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  numbers[0] = x0, numbers[1] = x1, numbers[2] = x2, numbers[3] = x3;
}

}  // namespace kernels
