// Dropout, residual and layer norm in one pass over memory, and their gradient in another.
#include "kernels.h"

#include <cmath>
#include <vector>

#include "dropout.h"
#include "sums.h"

namespace kernels {
namespace {

template <typename Kept>
void norm_row(const NormArguments &a, int64_t row, const float *factors, float *sum, float *y, Kept *normal,
              float *scale_of_row) {
  const int64_t size = a.size;
  const float *x = a.x + row * size, *residual = a.residual ? a.residual + row * size : nullptr;
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t j = 0; j < size; ++j) {
    sum[j] = x[j] * factors[j] + (residual ? residual[j] : 0.f);
    total += sum[j];
  }
  const float mean = total / float(size);
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t j = 0; j < size; ++j) squares += (sum[j] - mean) * (sum[j] - mean);
  const float scale = 1.f / std::sqrt(squares / float(size) + a.epsilon);
  if (scale_of_row) *scale_of_row = scale;
#pragma omp simd
  for (int64_t j = 0; j < size; ++j) {
    const float value = (sum[j] - mean) * scale;
    y[j] = value * a.gain[j] + a.shift[j];
    if (normal) store(normal[j], value);
  }
}

template <typename Kept>
void add_norm_of(const NormArguments &a, float *y, Kept *normal, float *scales) {
  const Dropout dropout(a.dropout, a.seed, a.stream);
  const int64_t size = a.size;
#pragma omp parallel
  {
    std::vector<float> sum(size_t(size) + 4), factors(size_t(size) + 4, 1.f);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < a.rows; ++row) {
      if (dropout.threshold) dropout.factors(uint64_t(row) * Dropout::numbers(size), size, factors.data());
      norm_row(a, row, factors.data(), sum.data(), y + row * size, normal ? normal + row * size : nullptr,
               scales ? scales + row : nullptr);
    }
  }
}

// What the gradients of one row are added to.
struct RowSums {
  float *gain, *shift, *x;
};

template <typename Kept, typename Grad>
void norm_row_gradient(int64_t size, const float *gain, const float *factors, const Kept *normal, float scale,
                       const float *grad_y, Grad *grad_x, float *grad_residual, const RowSums &sums) {
  float mean = 0, along = 0;
#pragma omp simd reduction(+ : mean, along)
  for (int64_t j = 0; j < size; ++j) {
    const float inner = grad_y[j] * gain[j];
    mean += inner;
    along += inner * load(normal[j]);
  }
  mean /= float(size), along /= float(size);
#pragma omp simd
  for (int64_t j = 0; j < size; ++j) {
    const float value = load(normal[j]);
    const float grad = scale * (grad_y[j] * gain[j] - mean - value * along);
    const float dropped = grad * factors[j];
    if (grad_residual) grad_residual[j] = grad;
    store(grad_x[j], dropped);
    sums.gain[j] += grad_y[j] * value;
    sums.shift[j] += grad_y[j];
    sums.x[j] += dropped;
  }
}

template <typename Kept, typename Grad>
void add_norm_gradient_of(const NormArguments &a, const Kept *normal, const float *scales, const float *grad_y,
                          Grad *grad_x, const NormGradients &to) {
  const Dropout dropout(a.dropout, a.seed, a.stream);
  const int64_t size = a.size;
  BlockSums sums(a.rows, 3, size);
#pragma omp parallel
  {
    std::vector<float> factors(size_t(size) + 4, 1.f);
#pragma omp for schedule(monotonic : dynamic, 1)
    for (int64_t block = 0; block < sums.blocks(); ++block) {
      const RowSums own{sums.begin(block, 0), sums.begin(block, 1), sums.begin(block, 2)};
      for (int64_t row = sums.first_row(block); row < sums.first_row(block + 1); ++row) {
        if (dropout.threshold) dropout.factors(uint64_t(row) * Dropout::numbers(size), size, factors.data());
        const int64_t first = row * size;
        norm_row_gradient(size, a.gain, factors.data(), normal + first, scales[row], grad_y + first, grad_x + first,
                          to.grad_residual ? to.grad_residual + first : nullptr, own);
      }
    }
  }
  sums.total(0, to.grad_gain);
  sums.total(1, to.grad_shift);
  if (to.grad_x_sum) sums.total(2, to.grad_x_sum);
}

}  // namespace

void add_norm(const NormArguments &a, float *y, void *normal, int kept_type, float *scales) {
  if (is_float(kept_type)) add_norm_of(a, y, (float *)normal, scales);
  else add_norm_of(a, y, (bfloat16 *)normal, scales);
}

void add_norm_gradient(const NormArguments &a, const void *normal, int kept_type, const float *scales,
                       const float *grad_y, const NormGradients &to) {
  if (is_float(kept_type) && is_float(to.grad_type))
    add_norm_gradient_of(a, (const float *)normal, scales, grad_y, (float *)to.grad_x, to);
  else if (is_float(kept_type))
    add_norm_gradient_of(a, (const float *)normal, scales, grad_y, (bfloat16 *)to.grad_x, to);
  else if (is_float(to.grad_type))
    add_norm_gradient_of(a, (const bfloat16 *)normal, scales, grad_y, (float *)to.grad_x, to);
  else add_norm_gradient_of(a, (const bfloat16 *)normal, scales, grad_y, (bfloat16 *)to.grad_x, to);
}

}  // namespace kernels
