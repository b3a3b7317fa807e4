// Matrices in a thread's own memory and their products: too small for a library to be worth calling.
#pragma once
#include <cstdint>
#include <vector>

#include "numbers.h"

namespace kernels {

// A block of 6 rows by `wide` vectors of sums has to fit into the registers: 24 of 32, or 12 of 16.
#ifdef __AVX512F__
constexpr int64_t lanes = 16, wide = 4;
#else
constexpr int64_t lanes = 8, wide = 2;
#endif
typedef float Lanes __attribute__((vector_size(lanes * sizeof(float)), aligned(4), may_alias));

inline int64_t padded(int64_t count) { return parts_of(count, lanes) * lanes; }

// A matrix in a thread's own memory: row-major, columns padded with zeros to whole vectors.
struct Scratch {
  std::vector<float> numbers;
  int64_t stride = 0;

  float *reset(int64_t rows, int64_t columns) {
    stride = padded(columns);
    numbers.assign(size_t(rows * stride), 0.f);
    return numbers.data();
  }
  const float *row(int64_t index) const { return numbers.data() + index * stride; }
  float *row(int64_t index) { return numbers.data() + index * stride; }
};

// A factor whose element (row, column) lies at data[row * row_step + column * column_step].
struct Strided {
  const float *data;
  int64_t row_step, column_step;
};

inline Strided plain(const Scratch &matrix) { return {matrix.numbers.data(), matrix.stride, 1}; }
inline Strided transposed(const Scratch &matrix) { return {matrix.numbers.data(), 1, matrix.stride}; }

// A block of `height` x (`width` vectors) of the product stays in registers while the inner dimension runs.
template <int height, int width>
void product_block(int64_t inner, Strided left, const float *right, int64_t right_stride, float *out,
                   int64_t out_stride) {
  Lanes sums[height][width] = {};
  for (int64_t step = 0; step < inner; ++step) {
    Lanes column[width];
    for (int j = 0; j < width; ++j) column[j] = *(const Lanes *)(right + step * right_stride + j * lanes);
    for (int i = 0; i < height; ++i) {
      const float factor = left.data[i * left.row_step + step * left.column_step];
      for (int j = 0; j < width; ++j) sums[i][j] += factor * column[j];
    }
  }
  for (int i = 0; i < height; ++i)
    for (int j = 0; j < width; ++j) *(Lanes *)(out + i * out_stride + j * lanes) = sums[i][j];
}

template <int width>
void product_columns(int64_t rows, int64_t inner, Strided left, const float *right, int64_t right_stride, float *out,
                     int64_t out_stride) {
  constexpr int height = 6;
  int64_t row = 0;
  const auto at = [&](int64_t index) {
    return Strided{left.data + index * left.row_step, left.row_step, left.column_step};
  };
  for (; row + height <= rows; row += height)
    product_block<height, width>(inner, at(row), right, right_stride, out + row * out_stride, out_stride);
  for (; row < rows; ++row)
    product_block<1, width>(inner, at(row), right, right_stride, out + row * out_stride, out_stride);
}

// out = left [rows, inner] x right [inner, out.stride].
inline void product(int64_t rows, int64_t inner, Strided left, const Scratch &right, Scratch &out) {
  int64_t column = 0;
  for (; column + wide * lanes <= out.stride; column += wide * lanes)
    product_columns<wide>(rows, inner, left, right.row(0) + column, right.stride, out.row(0) + column, out.stride);
  for (; column < out.stride; column += lanes)
    product_columns<1>(rows, inner, left, right.row(0) + column, right.stride, out.row(0) + column, out.stride);
}

inline void transpose(const Scratch &from, int64_t rows, int64_t columns, Scratch &to) {
  to.reset(columns, rows);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) to.row(column)[row] = from.row(row)[column];
}

}  // namespace kernels
