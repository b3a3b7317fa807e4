// What the files of this library offer each other, and, as `extern "C"` in interface.cc, to Python.
#pragma once
#include <cstdint>

#include "numbers.h"

namespace kernels {

// out [rows, columns] = left [rows, inner] x right [inner, columns] (+ bias [columns]) (then gelu).
// A transposed factor lies as [inner, rows] or [columns, inner]. Types are those of numbers.h; a bias is float32.
struct MatmulArguments {
  int64_t rows, inner, columns;
  const void *left;
  int left_type, left_transposed;
  const void *right;
  int right_type, right_transposed;
  const float *bias;  // or null
  void *out;
  int out_type;
  int gelu;        // 1: the exact gelu of the sum is written
  int accumulate;  // 1: the product is added to what `out` holds
};

void matmul(const MatmulArguments &);
// Whether `multiply_panels` is the faster way, and that way, without gelu.
bool fits_panels(const MatmulArguments &);
void multiply_panels(const MatmulArguments &);
void gelu(int64_t count, int type, const void *x, void *y);
void gelu_gradient(int64_t count, int type, const void *x, const void *grad_y, void *grad_x);

// Attention of packed sequences: sequence b has the queries query_starts[b] .. query_starts[b + 1] and the keys and
// values key_starts[b] .. key_starts[b + 1]. Rows outside all sequences get zeros.
struct AttentionArguments {
  int64_t sequences, heads, size;  // size = heads x head size
  const int32_t *query_starts, *key_starts;
  int64_t query_rows, key_rows;
  int type;                         // of query, key, value, context and their gradients
  const void *query, *key, *value;  // [rows, size]
  float dropout;
  uint64_t seed;
  uint32_t stream;
};

// log_sums [query_rows, heads] is what the gradient needs to have the probabilities back.
void attention(const AttentionArguments &, void *context, float *log_sums);
void attention_gradient(const AttentionArguments &, const float *log_sums, const void *grad_context,
                        void *grad_query, void *grad_key, void *grad_value);

// y = layer norm(dropout(x) + residual); `normal` (type `kept_type`) and `scales` [rows] are for the gradient.
struct NormArguments {
  int64_t rows, size;
  const float *x, *residual;  // residual may be null
  const float *gain, *shift;
  float epsilon, dropout;
  uint64_t seed;
  uint32_t stream;
};

void add_norm(const NormArguments &, float *y, void *normal, int kept_type, float *scales);

// grad_x has type `grad_type`; grad_x_sum [size] is its sum over the rows, which is a bias's gradient.
struct NormGradients {
  void *grad_x;
  int grad_type;
  float *grad_residual, *grad_gain, *grad_shift, *grad_x_sum;
};

void add_norm_gradient(const NormArguments &, const void *normal, int kept_type, const float *scales,
                       const float *grad_y, const NormGradients &);

// y = dropout(x) of [rows, size]; its gradient is the same function of the gradient.
void dropout(int64_t rows, int64_t size, const float *x, float *y, float probability, uint64_t seed,
             uint32_t stream);
void convert(int64_t count, const void *from, int from_type, void *to, int to_type);
void column_sums(int64_t rows, int64_t columns, const void *x, int type, float *sums);

// One AdamW step over many tensors, gradients clipped by value first (0: not). Where `lowered` is not null the new
// value is also written there in bfloat16. A tensor without gradient (null) is left as it is.
struct AdamTensor {
  int64_t count;
  float *value;
  const float *gradient;
  float *moment1, *moment2;
  bfloat16 *lowered;
  float learning_rate, weight_decay;
};

struct AdamSettings {
  float beta1, beta2, epsilon, clip;
  float correction1, correction2;  // 1 - beta^step
};

void adam_step(int64_t count, const AdamTensor *tensors, const AdamSettings &);

// The gradient of a table [rows, width] that is zero but for `count` rows: that of row `places[i]` is row i of
// `gradients` [count, width]. Rows that are not `moving` [rows] have neither that nor moments, and only decay.
struct AdamRows {
  int64_t width;
  const uint8_t *moving;
  int64_t count;
  const int64_t *places;
  const float *gradients;
};

void adam_step_of_rows(const AdamTensor &, const AdamRows &, const AdamSettings &);

}  // namespace kernels
