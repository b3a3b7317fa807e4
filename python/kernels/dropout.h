// Dropout whose mask is a function of (seed, stream, index) alone: nothing is stored, any thread count gives the same.
#pragma once
#include <cstdint>

namespace kernels {

// Philox 4x32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
inline void philox(uint64_t seed, uint64_t counter, uint32_t stream, uint32_t out[4]) {
  uint32_t key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
  uint32_t x0 = uint32_t(counter), x1 = uint32_t(counter >> 32), x2 = stream, x3 = 0;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t(0xD2511F53u) * x0, product1 = uint64_t(0xCD9E8D57u) * x2;
    x0 = uint32_t(product1 >> 32) ^ x1 ^ key0;
    x1 = uint32_t(product1);
    x2 = uint32_t(product0 >> 32) ^ x3 ^ key1;
    x3 = uint32_t(product0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

struct Dropout {
  uint64_t seed;
  uint32_t stream;     // which dropout of the network
  uint32_t threshold;  // a number below it drops its element; 0 keeps all
  float scale;         // of what is kept

  Dropout(float probability, uint64_t seed_, uint32_t stream_)
      : seed(seed_), stream(stream_),
        threshold(probability < 1 ? uint32_t(double(probability) * 4294967296.0) : ~uint32_t(0)),
        scale(probability < 1 ? 1.f / (1.f - probability) : 0.f) {}

  // How many numbers a row of `count` elements takes: whole groups of four.
  static uint64_t numbers(int64_t count) { return uint64_t(count + 3) / 4 * 4; }

  // Factors of the elements first .. first + count; `first` is a multiple of 4, `factors` has room up to one.
  void factors(uint64_t first, int64_t count, float *factors) const {
    const int64_t groups = (count + 3) / 4;
#pragma omp simd
    for (int64_t group = 0; group < groups; ++group) {
      uint32_t random[4];
      philox(seed, first / 4 + uint64_t(group), stream, random);
      for (int lane = 0; lane < 4; ++lane) factors[4 * group + lane] = random[lane] < threshold ? 0.f : scale;
    }
  }
};

}  // namespace kernels
