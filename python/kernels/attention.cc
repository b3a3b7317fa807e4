// Multi-head attention over packed sequences, forward and backward. Scores, softmax and sums are float32.
//
// A head of one sequence is a small problem (8 x 8 words, 20 x 20 to 100 x 100 regions), so each thread takes whole
// heads and keeps them in its cache; nothing is transposed in memory that others see.
#include "kernels.h"

#include <cmath>
#include <limits>
#include <vector>

#include "dropout.h"
#include "small_products.h"

namespace kernels {
namespace {

// One head of one sequence, taken out of the packed rows.
template <typename T>
void take(const void *from, int64_t start, int64_t rows, int64_t size, int64_t offset, int64_t columns, Scratch &to) {
  to.reset(rows, columns);
  for (int64_t row = 0; row < rows; ++row) {
    const T *source = (const T *)from + (start + row) * size + offset;
    float *target = to.row(row);
#pragma omp simd
    for (int64_t column = 0; column < columns; ++column) target[column] = load(source[column]);
  }
}

template <typename T>
void put_zeros(int64_t start, int64_t rows, int64_t size, int64_t offset, int64_t columns, void *to) {
  for (int64_t row = start; row < start + rows; ++row)
    for (int64_t column = 0; column < columns; ++column) store(((T *)to)[row * size + offset + column], 0.f);
}

template <typename T>
void put(const Scratch &from, float factor, int64_t start, int64_t rows, int64_t size, int64_t offset,
         int64_t columns, void *to) {
  for (int64_t row = 0; row < rows; ++row) {
    T *target = (T *)to + (start + row) * size + offset;
    const float *source = from.row(row);
#pragma omp simd
    for (int64_t column = 0; column < columns; ++column) store(target[column], source[column] * factor);
  }
}

// Where the dropout of each sequence's scores begins: rows are counted in whole groups of four.
std::vector<uint64_t> dropout_starts(const AttentionArguments &a) {
  std::vector<uint64_t> starts(size_t(a.sequences) + 1, 0);
  for (int64_t b = 0; b < a.sequences; ++b) {
    const uint64_t queries = uint64_t(a.query_starts[b + 1] - a.query_starts[b]);
    const uint64_t numbers = Dropout::numbers(a.key_starts[b + 1] - a.key_starts[b]);
    starts[size_t(b) + 1] = starts[size_t(b)] + queries * numbers * uint64_t(a.heads);
  }
  return starts;
}

struct Workspace {
  Scratch query, key, value, turned, scores, context, grad_context, grad_scores, product;
  std::vector<float> factors;
};

struct Head {
  int64_t query_start, queries, key_start, keys, offset, columns;
  uint64_t dropout_start;

  Head(const AttentionArguments &a, const std::vector<uint64_t> &starts, int64_t sequence, int64_t head)
      : query_start(a.query_starts[sequence]), queries(a.query_starts[sequence + 1] - query_start),
        key_start(a.key_starts[sequence]), keys(a.key_starts[sequence + 1] - key_start),
        offset(head * (a.size / a.heads)), columns(a.size / a.heads) {
    dropout_start = starts[size_t(sequence)] + uint64_t(head) * uint64_t(queries) * Dropout::numbers(keys);
  }
  bool is_empty() const { return queries == 0 || keys == 0; }
  uint64_t dropout_row(int64_t query) const { return dropout_start + uint64_t(query) * Dropout::numbers(keys); }
};

float score_factor(const AttentionArguments &a) { return 1.f / std::sqrt(float(a.size / a.heads)); }

template <typename T>
void take_scores(const AttentionArguments &a, const Head &head, Workspace &w) {
  take<T>(a.query, head.query_start, head.queries, a.size, head.offset, head.columns, w.query);
  take<T>(a.key, head.key_start, head.keys, a.size, head.offset, head.columns, w.key);
  transpose(w.key, head.keys, head.columns, w.turned);
  w.scores.reset(head.queries, head.keys);
  product(head.queries, head.columns, plain(w.query), w.turned, w.scores);
}

// Scores become probabilities; returns the logarithm of the sum.
float softmax(float *scores, int64_t count, float factor) {
  float highest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : highest)
  for (int64_t j = 0; j < count; ++j) highest = scores[j] > highest ? scores[j] : highest;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) {
    scores[j] = exponential((scores[j] - highest) * factor);
    sum += scores[j];
  }
  const float inverse = 1.f / sum;
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) scores[j] *= inverse;
  return highest * factor + std::log(sum);
}

template <typename T>
void attend(const AttentionArguments &a, int64_t head_index, const Head &head, const Dropout &dropout, Workspace &w,
            void *context, float *log_sums) {
  if (head.is_empty()) return put_zeros<T>(head.query_start, head.queries, a.size, head.offset, head.columns, context);
  take_scores<T>(a, head, w);
  w.factors.resize(size_t(head.keys) + 4);
  for (int64_t i = 0; i < head.queries; ++i) {
    float *row = w.scores.row(i);
    log_sums[(head.query_start + i) * a.heads + head_index] = softmax(row, head.keys, score_factor(a));
    if (dropout.threshold == 0) continue;
    dropout.factors(head.dropout_row(i), head.keys, w.factors.data());
    for (int64_t j = 0; j < head.keys; ++j) row[j] *= w.factors[j];
  }
  take<T>(a.value, head.key_start, head.keys, a.size, head.offset, head.columns, w.value);
  w.context.reset(head.queries, head.columns);
  product(head.queries, head.keys, plain(w.scores), w.value, w.context);
  put<T>(w.context, 1.f, head.query_start, head.queries, a.size, head.offset, head.columns, context);
}

template <typename T>
void attend_backward(const AttentionArguments &a, int64_t head_index, const Head &head, const Dropout &dropout,
                     Workspace &w, const float *log_sums, const void *grad_context, void *grad_query, void *grad_key,
                     void *grad_value) {
  if (head.is_empty()) {
    put_zeros<T>(head.query_start, head.queries, a.size, head.offset, head.columns, grad_query);
    put_zeros<T>(head.key_start, head.keys, a.size, head.offset, head.columns, grad_key);
    return put_zeros<T>(head.key_start, head.keys, a.size, head.offset, head.columns, grad_value);
  }
  take_scores<T>(a, head, w);
  take<T>(a.value, head.key_start, head.keys, a.size, head.offset, head.columns, w.value);
  take<T>(grad_context, head.query_start, head.queries, a.size, head.offset, head.columns, w.grad_context);
  transpose(w.value, head.keys, head.columns, w.turned);
  w.grad_scores.reset(head.queries, head.keys);
  product(head.queries, head.columns, plain(w.grad_context), w.turned, w.grad_scores);
  w.factors.assign(size_t(head.keys) + 4, 1.f);
  const float factor = score_factor(a);
  for (int64_t i = 0; i < head.queries; ++i) {
    float *probabilities = w.scores.row(i), *gradients = w.grad_scores.row(i);
    const float log_sum = log_sums[(head.query_start + i) * a.heads + head_index];
    if (dropout.threshold != 0) dropout.factors(head.dropout_row(i), head.keys, w.factors.data());
    const float *kept = w.factors.data();
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t j = 0; j < head.keys; ++j) {
      probabilities[j] = exponential(probabilities[j] * factor - log_sum);
      total += probabilities[j] * gradients[j] * kept[j];
    }
#pragma omp simd
    for (int64_t j = 0; j < head.keys; ++j) {
      gradients[j] = probabilities[j] * (gradients[j] * kept[j] - total);
      probabilities[j] *= kept[j];  // what the values were multiplied with
    }
  }
  w.product.reset(head.queries, head.columns);
  product(head.queries, head.keys, plain(w.grad_scores), w.key, w.product);
  put<T>(w.product, factor, head.query_start, head.queries, a.size, head.offset, head.columns, grad_query);
  w.product.reset(head.keys, head.columns);
  product(head.keys, head.queries, transposed(w.grad_scores), w.query, w.product);
  put<T>(w.product, factor, head.key_start, head.keys, a.size, head.offset, head.columns, grad_key);
  product(head.keys, head.queries, transposed(w.scores), w.grad_context, w.product);
  put<T>(w.product, 1.f, head.key_start, head.keys, a.size, head.offset, head.columns, grad_value);
}

// Rows before the first and behind the last sequence belong to none.
template <typename T>
void clear_outside(int64_t rows, int64_t size, const int32_t *starts, int64_t sequences, void *to) {
  const int64_t first = sequences ? starts[0] : rows, last = sequences ? starts[sequences] : rows;
  put_zeros<T>(0, first, size, 0, size, to);
  put_zeros<T>(last, rows - last, size, 0, size, to);
}

template <typename T>
void attention_of(const AttentionArguments &a, void *context, float *log_sums) {
  clear_outside<T>(a.query_rows, a.size, a.query_starts, a.sequences, context);
  const auto starts = dropout_starts(a);
  const Dropout dropout(a.dropout, a.seed, a.stream);
#pragma omp parallel
  {
    Workspace workspace;
#pragma omp for schedule(monotonic : dynamic, 2)
    for (int64_t index = 0; index < a.sequences * a.heads; ++index) {
      const Head head(a, starts, index / a.heads, index % a.heads);
      attend<T>(a, index % a.heads, head, dropout, workspace, context, log_sums);
    }
  }
}

template <typename T>
void attention_gradient_of(const AttentionArguments &a, const float *log_sums, const void *grad_context,
                           void *grad_query, void *grad_key, void *grad_value) {
  clear_outside<T>(a.query_rows, a.size, a.query_starts, a.sequences, grad_query);
  clear_outside<T>(a.key_rows, a.size, a.key_starts, a.sequences, grad_key);
  clear_outside<T>(a.key_rows, a.size, a.key_starts, a.sequences, grad_value);
  const auto starts = dropout_starts(a);
  const Dropout dropout(a.dropout, a.seed, a.stream);
#pragma omp parallel
  {
    Workspace workspace;
#pragma omp for schedule(monotonic : dynamic, 2)
    for (int64_t index = 0; index < a.sequences * a.heads; ++index) {
      const Head head(a, starts, index / a.heads, index % a.heads);
      attend_backward<T>(a, index % a.heads, head, dropout, workspace, log_sums, grad_context, grad_query, grad_key,
                         grad_value);
    }
  }
}

}  // namespace

void attention(const AttentionArguments &a, void *context, float *log_sums) {
  if (is_float(a.type)) attention_of<float>(a, context, log_sums);
  else attention_of<bfloat16>(a, context, log_sums);
}

void attention_gradient(const AttentionArguments &a, const float *log_sums, const void *grad_context,
                        void *grad_query, void *grad_key, void *grad_value) {
  if (is_float(a.type))
    attention_gradient_of<float>(a, log_sums, grad_context, grad_query, grad_key, grad_value);
  else attention_gradient_of<bfloat16>(a, log_sums, grad_context, grad_query, grad_key, grad_value);
}

}  // namespace kernels
