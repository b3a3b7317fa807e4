// What else is done row by row between the matrix products: one pass over memory each.
#include "kernels.h"

#include <vector>

#include "dropout.h"
#include "sums.h"

namespace kernels {
namespace {

template <typename From, typename To>
void convert_of(int64_t count, const From *from, To *to) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) store(to[i], load(from[i]));
}

template <typename T>
void column_sums_of(int64_t rows, int64_t columns, const T *x, float *out) {
  BlockSums sums(rows, 1, columns);
#pragma omp parallel for schedule(monotonic : dynamic, 1)
  for (int64_t block = 0; block < sums.blocks(); ++block) {
    float *own = sums.begin(block, 0);
    for (int64_t row = sums.first_row(block); row < sums.first_row(block + 1); ++row)
#pragma omp simd
      for (int64_t column = 0; column < columns; ++column) own[column] += load(x[row * columns + column]);
  }
  sums.total(0, out);
}

}  // namespace

void dropout(int64_t rows, int64_t size, const float *x, float *y, float probability, uint64_t seed,
             uint32_t stream) {
  const Dropout random(probability, seed, stream);
#pragma omp parallel
  {
    std::vector<float> factors(size_t(size) + 4);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
      random.factors(uint64_t(row) * Dropout::numbers(size), size, factors.data());
#pragma omp simd
      for (int64_t j = 0; j < size; ++j) y[row * size + j] = x[row * size + j] * factors[j];
    }
  }
}

void convert(int64_t count, const void *from, int from_type, void *to, int to_type) {
  if (is_float(from_type) && !is_float(to_type)) convert_of(count, (const float *)from, (bfloat16 *)to);
  else if (!is_float(from_type) && is_float(to_type)) convert_of(count, (const bfloat16 *)from, (float *)to);
  else if (is_float(from_type)) convert_of(count, (const float *)from, (float *)to);
  else convert_of(count, (const bfloat16 *)from, (bfloat16 *)to);
}

void column_sums(int64_t rows, int64_t columns, const void *x, int type, float *sums) {
  if (is_float(type)) column_sums_of(rows, columns, (const float *)x, sums);
  else column_sums_of(rows, columns, (const bfloat16 *)x, sums);
}

}  // namespace kernels
