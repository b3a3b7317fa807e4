// Dropout whose mask is a function of (seed, stream, index) alone: nothing is stored, any thread count gives the same.
#pragma once
#include <cstdint>
#include <cstring>

#include "philox.h"

namespace kernels {

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
    for (int64_t group = 0; group < groups; group += word_lanes) {
      Words random[4];
      philox(seed, all_lanes(first / 4 + uint64_t(group)) + lane_numbers(), stream, random);
      // A lane has two factors each; the two vectors are interleaved to give the four of a group side by side.
      const Words pairs0 = factor(random[0]) | factor(random[1]) << 32;
      const Words pairs1 = factor(random[2]) | factor(random[3]) << 32;
      uint64_t turned[2 * word_lanes];
      for (int lane = 0; lane < word_lanes; ++lane) turned[2 * lane] = pairs0[lane], turned[2 * lane + 1] = pairs1[lane];
      const int64_t left = groups - group;
      if (left >= word_lanes) std::memcpy(factors + 4 * group, turned, sizeof turned);
      else std::memcpy(factors + 4 * group, turned, size_t(left) * 4 * sizeof(float));
    }
  }

 private:
  // The bits of the factor for the number in the lower half of each lane.
  Words factor(Words numbers) const {
    uint32_t bits;
    std::memcpy(&bits, &scale, sizeof bits);
    typedef int64_t Signed __attribute__((vector_size(sizeof(Words))));  // compares faster
    const auto is_kept = Signed(numbers & all_lanes(0xffffffffu)) >= Signed(all_lanes(threshold));
    return Words(is_kept) & all_lanes(bits);
  }
};

}  // namespace kernels
