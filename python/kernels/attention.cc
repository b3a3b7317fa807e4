// Multi-head attention over packed sequences, forward and backward. Scores, softmax and sums are float32.
//
// A head of one sequence is a small problem (8 x 8 words, 20 x 20 to 100 x 100 regions), so each thread takes whole
// heads and keeps them in its cache; nothing is transposed in memory that others see.
#include "kernels.h"

#include <cmath>
#include <limits>
#include <vector>

#include "dropout.h"

namespace kernels {
namespace {

constexpr int64_t lanes = 16;
typedef float Lanes __attribute__((vector_size(lanes * sizeof(float)), aligned(4), may_alias));

int64_t padded(int64_t count) { return (count + lanes - 1) / lanes * lanes; }

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

Strided plain(const Scratch &matrix) { return {matrix.numbers.data(), matrix.stride, 1}; }
Strided transposed(const Scratch &matrix) { return {matrix.numbers.data(), 1, matrix.stride}; }

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
  const auto at = [&](int64_t index) { return Strided{left.data + index * left.row_step, left.row_step, left.column_step}; };
  for (; row + height <= rows; row += height)
    product_block<height, width>(inner, at(row), right, right_stride, out + row * out_stride, out_stride);
  for (; row < rows; ++row)
    product_block<1, width>(inner, at(row), right, right_stride, out + row * out_stride, out_stride);
}

// out = left [rows, inner] x right [inner, out.stride].
void product(int64_t rows, int64_t inner, Strided left, const Scratch &right, Scratch &out) {
  int64_t column = 0;
  for (; column + 4 * lanes <= out.stride; column += 4 * lanes)
    product_columns<4>(rows, inner, left, right.row(0) + column, right.stride, out.row(0) + column, out.stride);
  for (; column < out.stride; column += lanes)
    product_columns<1>(rows, inner, left, right.row(0) + column, right.stride, out.row(0) + column, out.stride);
}

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
void put(const Scratch &from, float factor, int64_t start, int64_t rows, int64_t size, int64_t offset,
         int64_t columns, void *to) {
  for (int64_t row = 0; row < rows; ++row) {
    T *target = (T *)to + (start + row) * size + offset;
    const float *source = from.row(row);
#pragma omp simd
    for (int64_t column = 0; column < columns; ++column) store(target[column], source[column] * factor);
  }
}

void transpose(const Scratch &from, int64_t rows, int64_t columns, Scratch &to) {
  to.reset(columns, rows);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) to.row(column)[row] = from.row(row)[column];
}

// Where the dropout of each sequence's scores begins: rows are counted in whole groups of four.
std::vector<uint64_t> dropout_starts(const AttentionArguments &a) {
  std::vector<uint64_t> starts(size_t(a.sequences) + 1, 0);
  for (int64_t b = 0; b < a.sequences; ++b) {
    const uint64_t queries = uint64_t(a.query_starts[b + 1] - a.query_starts[b]);
    const uint64_t keys = uint64_t(a.key_starts[b + 1] - a.key_starts[b] + 3) / 4 * 4;
    starts[b + 1] = starts[b] + queries * keys * uint64_t(a.heads);
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
    dropout_start = starts[sequence] + uint64_t(head) * uint64_t(queries) * uint64_t((keys + 3) / 4 * 4);
  }
  uint64_t dropout_row(int64_t query) const { return dropout_start + uint64_t(query) * uint64_t((keys + 3) / 4 * 4); }
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
  std::memset((T *)to, 0, size_t(first * size) * sizeof(T));
  std::memset((T *)to + last * size, 0, size_t((rows - last) * size) * sizeof(T));
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
  if (Type(a.type) == Type::float32) attention_of<float>(a, context, log_sums);
  else attention_of<bfloat16>(a, context, log_sums);
}

void attention_gradient(const AttentionArguments &a, const float *log_sums, const void *grad_context,
                        void *grad_query, void *grad_key, void *grad_value) {
  if (Type(a.type) == Type::float32)
    attention_gradient_of<float>(a, log_sums, grad_context, grad_query, grad_key, grad_value);
  else attention_gradient_of<bfloat16>(a, log_sums, grad_context, grad_query, grad_key, grad_value);
}

}  // namespace kernels
