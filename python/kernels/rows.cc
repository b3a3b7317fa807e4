// What is done row by row between the matrix products: one pass over memory each.
#include "kernels.h"

#include <cmath>
#include <vector>

#include <omp.h>

#include "dropout.h"

namespace kernels {
namespace {

// Sums over rows, one partial sum a thread; added in the threads' order, so that equal thread counts agree bit by bit.
class PartialSums {
 public:
  PartialSums(int64_t kinds, int64_t size) : kinds_(kinds), size_(size) {
    partial_.assign(size_t(omp_get_max_threads() * kinds * size), 0.f);
  }
  float *own(int64_t kind) { return partial_.data() + (omp_get_thread_num() * kinds_ + kind) * size_; }
  void total(int64_t kind, float *out) const {
    for (int64_t column = 0; column < size_; ++column) out[column] = 0;
    for (int64_t start = kind * size_; start < int64_t(partial_.size()); start += kinds_ * size_)
      for (int64_t column = 0; column < size_; ++column) out[column] += partial_[start + column];
  }

 private:
  int64_t kinds_, size_;
  std::vector<float> partial_;
};

template <typename Kept>
void add_norm_of(const NormArguments &a, float *y, Kept *normal, float *scales) {
  const Dropout dropout(a.dropout, a.seed, a.stream);
  const int64_t size = a.size;
#pragma omp parallel
  {
    std::vector<float> sum(size_t(size) + 4), factors(size_t(size) + 4, 1.f);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < a.rows; ++row) {
      const float *x = a.x + row * size;
      if (dropout.threshold) dropout.factors(uint64_t(row) * uint64_t((size + 3) / 4 * 4), size, factors.data());
      float total = 0;
      const float *residual = a.residual ? a.residual + row * size : nullptr;
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
      if (scales) scales[row] = scale;
#pragma omp simd
      for (int64_t j = 0; j < size; ++j) {
        const float value = (sum[j] - mean) * scale;
        y[row * size + j] = value * a.gain[j] + a.shift[j];
        if (normal) store(normal[row * size + j], value);
      }
    }
  }
}

template <typename Kept, typename Grad>
void add_norm_gradient_of(const NormArguments &a, const Kept *normal, const float *scales, const float *grad_y,
                          Grad *grad_x, const NormGradients &to) {
  const Dropout dropout(a.dropout, a.seed, a.stream);
  const int64_t size = a.size;
  PartialSums sums(3, size);
#pragma omp parallel
  {
    std::vector<float> factors(size_t(size) + 4, 1.f);
    float *gain_sum = sums.own(0), *shift_sum = sums.own(1), *x_sum = sums.own(2);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < a.rows; ++row) {
      const float *gradient = grad_y + row * size;
      const Kept *value = normal + row * size;
      float mean = 0, along = 0;
#pragma omp simd reduction(+ : mean, along)
      for (int64_t j = 0; j < size; ++j) {
        const float inner = gradient[j] * a.gain[j];
        mean += inner;
        along += inner * load(value[j]);
      }
      mean /= float(size), along /= float(size);
      if (dropout.threshold) dropout.factors(uint64_t(row) * uint64_t((size + 3) / 4 * 4), size, factors.data());
      const float scale = scales[row];
      float *residual = to.grad_residual ? to.grad_residual + row * size : nullptr;
#pragma omp simd
      for (int64_t j = 0; j < size; ++j) {
        const float kept = load(value[j]);
        const float grad = scale * (gradient[j] * a.gain[j] - mean - kept * along);
        const float dropped = grad * factors[j];
        if (residual) residual[j] = grad;
        store(grad_x[row * size + j], dropped);
        gain_sum[j] += gradient[j] * kept;
        shift_sum[j] += gradient[j];
        x_sum[j] += dropped;
      }
    }
  }
  sums.total(0, to.grad_gain);
  sums.total(1, to.grad_shift);
  if (to.grad_x_sum) sums.total(2, to.grad_x_sum);
}

template <typename From, typename To>
void convert_of(int64_t count, const From *from, To *to) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) store(to[i], load(from[i]));
}

template <typename T>
void column_sums_of(int64_t rows, int64_t columns, const T *x, float *out) {
  PartialSums sums(1, columns);
#pragma omp parallel
  {
    float *own = sums.own(0);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < rows; ++row)
#pragma omp simd
      for (int64_t column = 0; column < columns; ++column) own[column] += load(x[row * columns + column]);
  }
  sums.total(0, out);
}

bool is_float(int type) { return Type(type) == Type::float32; }

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

void dropout(int64_t rows, int64_t size, const float *x, float *y, float probability, uint64_t seed,
             uint32_t stream) {
  const Dropout random(probability, seed, stream);
#pragma omp parallel
  {
    std::vector<float> factors(size_t(size) + 4);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
      random.factors(uint64_t(row) * uint64_t((size + 3) / 4 * 4), size, factors.data());
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
