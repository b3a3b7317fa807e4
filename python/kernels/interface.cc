// The functions that Python calls (python/vilbert/kernels.py declares the same). Each returns null, or what went wrong.
#include "kernels.h"

#include <exception>
#include <string>

#include <omp.h>

namespace {

template <typename Work>
const char *guarded(Work work) {
  static thread_local std::string message;
  try {
    work();
    return nullptr;
  } catch (const std::exception &error) {
    message = error.what();
  } catch (...) {
    message = "unknown error";
  }
  return message.c_str();
}

}  // namespace

extern "C" {

int vilbert_interface() { return 2; }
int vilbert_threads() { return omp_get_max_threads(); }
void vilbert_set_threads(int count) { omp_set_num_threads(count); }

const char *vilbert_matmul(const kernels::MatmulArguments *a) {
  return guarded([&] { kernels::matmul(*a); });
}
const char *vilbert_gelu(int64_t count, int type, const void *x, void *y) {
  return guarded([&] { kernels::gelu(count, type, x, y); });
}
const char *vilbert_gelu_gradient(int64_t count, int type, const void *x, const void *grad_y, void *grad_x) {
  return guarded([&] { kernels::gelu_gradient(count, type, x, grad_y, grad_x); });
}
const char *vilbert_attention(const kernels::AttentionArguments *a, void *context, float *log_sums) {
  return guarded([&] { kernels::attention(*a, context, log_sums); });
}
const char *vilbert_attention_gradient(const kernels::AttentionArguments *a, const float *log_sums,
                                       const void *grad_context, void *grad_query, void *grad_key,
                                       void *grad_value) {
  return guarded(
      [&] { kernels::attention_gradient(*a, log_sums, grad_context, grad_query, grad_key, grad_value); });
}
const char *vilbert_add_norm(const kernels::NormArguments *a, float *y, void *normal, int kept_type, float *scales) {
  return guarded([&] { kernels::add_norm(*a, y, normal, kept_type, scales); });
}
const char *vilbert_add_norm_gradient(const kernels::NormArguments *a, const void *normal, int kept_type,
                                      const float *scales, const float *grad_y, const kernels::NormGradients *to) {
  return guarded([&] { kernels::add_norm_gradient(*a, normal, kept_type, scales, grad_y, *to); });
}
const char *vilbert_dropout(int64_t rows, int64_t size, const float *x, float *y, float probability, uint64_t seed,
                            uint32_t stream) {
  return guarded([&] { kernels::dropout(rows, size, x, y, probability, seed, stream); });
}
const char *vilbert_convert(int64_t count, const void *from, int from_type, void *to, int to_type) {
  return guarded([&] { kernels::convert(count, from, from_type, to, to_type); });
}
const char *vilbert_column_sums(int64_t rows, int64_t columns, const void *x, int type, float *sums) {
  return guarded([&] { kernels::column_sums(rows, columns, x, type, sums); });
}
const char *vilbert_adam_step(int64_t count, const kernels::AdamTensor *tensors,
                              const kernels::AdamSettings *settings) {
  return guarded([&] { kernels::adam_step(count, tensors, *settings); });
}
const char *vilbert_adam_step_of_rows(const kernels::AdamTensor *table, const kernels::AdamRows *rows,
                                      const kernels::AdamSettings *settings) {
  return guarded([&] { kernels::adam_step_of_rows(*table, *rows, *settings); });
}
}
