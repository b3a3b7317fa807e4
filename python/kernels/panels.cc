// Products of float32 matrices that are first laid out in panels, as in Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication" (ACM TOMS 34, 2008).
//
// Without AVX-512, oneDNN reaches a processor's rate where the factors are small, and half of it where columns are
// read that lie as far apart as those of the full model (Zen 3, one thread: 45 of 90 GFLOP/s at 1024 x 1024 x 1024).
// Every number of `out` is summed in one order, whatever the number of threads.
#include "kernels.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include <omp.h>

#include "small_products.h"

namespace kernels {
namespace {

constexpr int64_t high = 6, broad = wide * lanes;  // of the block that stays in registers
constexpr int64_t depth = 512;                     // of a panel: one of the right factor fits into the first cache
constexpr int64_t block_rows = 16 * high;          // of the left factor, at that depth, into the second one
constexpr int64_t fewest_rows = 4 * high;          // fewer do not pay for laying out the right factor
constexpr int64_t near = 256;                      // numbers between which oneDNN is as fast

// A factor in place: element (row, column) lies at data[row * row_step + column * column_step].
Strided left_of(const MatmulArguments &a) {
  const auto *data = (const float *)a.left;
  return a.left_transposed ? Strided{data, 1, a.rows} : Strided{data, a.inner, 1};
}

Strided right_of(const MatmulArguments &a) {
  const auto *data = (const float *)a.right;
  return a.right_transposed ? Strided{data, 1, a.inner} : Strided{data, a.columns, 1};
}

Strided from(const Strided &matrix, int64_t row, int64_t column) {
  return {matrix.data + row * matrix.row_step + column * matrix.column_step, matrix.row_step, matrix.column_step};
}

// `count` of at most `size` neighbours, `step` apart, at each of `length` places, `stride` apart; zeros for the rest.
// The inner loop is the one that reads neighbours in memory.
template <int64_t size>
void lay_out(const float *data, int64_t count, int64_t step, int64_t length, int64_t stride, float *panel) {
  if (count < size) std::fill(panel, panel + length * size, 0.f);
  if (step == 1 && count == size) {
    for (int64_t place = 0; place < length; ++place)
      for (int64_t i = 0; i < size; ++i) panel[place * size + i] = data[place * stride + i];
    return;
  }
  if (step == 1) {
    for (int64_t place = 0; place < length; ++place)
      for (int64_t i = 0; i < count; ++i) panel[place * size + i] = data[place * stride + i];
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    for (int64_t place = 0; place < length; ++place) panel[place * size + i] = data[i * step + place * stride];
}

// The product of a panel of the left factor [length][high] and one of the right factor [length][broad].
void multiply(int64_t length, const float *left, const float *right, Lanes (&sums)[high][wide]) {
  for (auto &row : sums)
    for (auto &sum : row) sum = Lanes{};
  for (int64_t step = 0; step < length; ++step, left += high, right += broad) {
    Lanes column[wide];
    for (int64_t j = 0; j < wide; ++j) column[j] = *(const Lanes *)(right + j * lanes);
#pragma GCC unroll 6
    for (int64_t i = 0; i < high; ++i)
#pragma GCC unroll 4
      for (int64_t j = 0; j < wide; ++j) sums[i][j] += left[i] * column[j];
  }
}


inline void put_row(const float *sum, const float *bias, bool adds, int64_t columns, float *out) {
  if (adds)
    for (int64_t j = 0; j < columns; ++j) out[j] += sum[j];
  else if (bias)
    for (int64_t j = 0; j < columns; ++j) out[j] = sum[j] + bias[j];
  else
    for (int64_t j = 0; j < columns; ++j) out[j] = sum[j];
  if (adds && bias)
    for (int64_t j = 0; j < columns; ++j) out[j] += bias[j];
}

// Writes a block of sums into `out`, or adds it to what an earlier part of the inner dimension has put there.
void put(const MatmulArguments &a, int64_t first_row, int64_t first_column, bool is_first,
         const Lanes (&sums)[high][wide]) {
  const int64_t rows = std::min(high, a.rows - first_row), columns = std::min(broad, a.columns - first_column);
  const float *bias = is_first && a.bias ? a.bias + first_column : nullptr;
  const bool adds = !is_first || a.accumulate;
  for (int64_t i = 0; i < rows; ++i) {
    const float *sum = (const float *)sums[i];
    float *out = (float *)a.out + (first_row + i) * a.columns + first_column;
    if (columns == broad) put_row(sum, bias, adds, broad, out);  // a number that the compiler knows
    else put_row(sum, bias, adds, columns, out);
  }
}

// A block of rows of the left factor by some panels of the right one.
void multiply_block(const MatmulArguments &a, int64_t first_row, int64_t first_panel, int64_t last_panel,
                    const float *right, std::vector<float> &left) {
  const int64_t rows = std::min(block_rows, a.rows - first_row);
  left.resize(size_t(block_rows * depth));
  alignas(64) Lanes sums[high][wide];  // a reference to them promises that
  for (int64_t start = 0; start < a.inner; start += depth) {
    const int64_t length = std::min(depth, a.inner - start);
    for (int64_t row = 0; row < rows; row += high) {
      const Strided part = from(left_of(a), first_row + row, start);
      lay_out<high>(part.data, std::min(high, rows - row), part.row_step, length, part.column_step,
                    left.data() + row * length);
    }
    for (int64_t panel = first_panel; panel < last_panel; ++panel)
      for (int64_t row = 0; row < rows; row += high) {
        multiply(length, left.data() + row * length, right + (panel * a.inner + start) * broad, sums);
        put(a, first_row + row, panel * broad, start == 0, sums);
      }
  }
}

}  // namespace

bool fits_panels(const MatmulArguments &a) {
  const bool is_all_float = is_float(a.left_type) && is_float(a.right_type) && is_float(a.out_type);
  const bool reads_far = a.columns > near || (a.left_transposed && a.rows > near);
  return lanes < 16 && is_all_float && reads_far && a.rows >= fewest_rows;
}

void multiply_panels(const MatmulArguments &a) {
  static std::mutex lock;
  static std::vector<float> right;
  const std::lock_guard<std::mutex> guard(lock);
  const int64_t panels = parts_of(a.columns, broad), blocks = parts_of(a.rows, block_rows);
  right.resize(size_t(panels * broad * a.inner));
  // Each block in so many parts that the threads have enough of them to end together.
  const int64_t parts = std::min(panels, parts_of(4 * omp_get_max_threads(), blocks));
#pragma omp parallel
  {
    static thread_local std::vector<float> left;
#pragma omp for schedule(static)
    for (int64_t panel = 0; panel < panels; ++panel) {
      const Strided part = from(right_of(a), 0, panel * broad);
      lay_out<broad>(part.data, std::min(broad, a.columns - panel * broad), part.column_step, a.inner, part.row_step,
                     right.data() + panel * broad * a.inner);
    }
#pragma omp for schedule(monotonic : dynamic, 1)
    for (int64_t index = 0; index < blocks * parts; ++index) {
      const int64_t part = index % parts;
      multiply_block(a, index / parts * block_rows, part * panels / parts, (part + 1) * panels / parts, right.data(),
                     left);
    }
  }
}

}  // namespace kernels
