// Sums over rows that are the same whatever the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>

#include "numbers.h"

namespace kernels {

// Rows are cut into blocks by their number alone. Each block has sums of its own, which are added in order at the end.
class BlockSums {
 public:
  BlockSums(int64_t rows, int64_t kinds, int64_t size)
      : rows_(rows), kinds_(kinds), size_(size), height_(std::max<int64_t>(16, parts_of(rows, 64))),
        partial_(new float[size_t(blocks() * kinds * size)]) {}

  int64_t blocks() const { return parts_of(rows_, height_); }
  int64_t first_row(int64_t block) const { return std::min(block * height_, rows_); }

  // The sums of a block, zeros.
  float *begin(int64_t block, int64_t kind) {
    float *own = partial_.get() + (block * kinds_ + kind) * size_;
    std::fill(own, own + size_, 0.f);
    return own;
  }

  void total(int64_t kind, float *out) const {
    constexpr int64_t width = 64;
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < size_; first += width) {
      const int64_t stop = std::min(first + width, size_);
      std::fill(out + first, out + stop, 0.f);
      for (int64_t block = 0; block < blocks(); ++block) {
        const float *own = partial_.get() + (block * kinds_ + kind) * size_;
#pragma omp simd
        for (int64_t column = first; column < stop; ++column) out[column] += own[column];
      }
    }
  }

 private:
  int64_t rows_, kinds_, size_, height_;
  std::unique_ptr<float[]> partial_;
};

}  // namespace kernels
