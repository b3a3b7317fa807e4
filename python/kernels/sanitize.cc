// Calls every kernel with odd, empty and one-row shapes; `make sanitize` builds it with the address and the
// undefined-behaviour sanitizer. Exits with 0 when nothing was found and every number that is due was written.
//
// The sanitizers do not see into the code that oneDNN compiles at run time. So every array ends where a page begins
// that may not be touched.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "kernels.h"

namespace {

using kernels::bfloat16;

template <typename T>
class Array {
 public:
  explicit Array(int64_t count) : count_(count) {
    if (count == 0) return;  // an empty tensor of Paddle has no address
    const size_t page = size_t(sysconf(_SC_PAGESIZE)), size = size_t(count) * sizeof(T);
    const size_t pages = (size + page - 1) / page;
    length_ = (pages + 1) * page;
    base_ = (char *)mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED || mprotect(base_ + pages * page, page, PROT_NONE) != 0) std::abort();
    data_ = (T *)(base_ + pages * page - size);
    std::memset(base_, 0xff, pages * page);  // NaN in both types
  }
  Array(const Array &) = delete;
  ~Array() {
    if (base_) munmap(base_, length_);
  }

  Array &random() {
    static std::mt19937 generator(7);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < count_; ++i) kernels::store(data_[i], normal(generator));
    return *this;
  }
  void expect_numbers(const char *name) const {
    for (int64_t i = 0; i < count_; ++i)
      if (!std::isfinite(kernels::load(data_[i]))) {
        std::fprintf(stderr, "%s: element %lld of %lld was not written\n", name, (long long)i, (long long)count_);
        std::exit(1);
      }
  }
  T *data() const { return data_; }

 private:
  int64_t count_;
  size_t length_ = 0;
  char *base_ = nullptr;
  T *data_ = nullptr;
};

template <typename T>
int type_of() {
  return sizeof(T) == 4 ? 0 : 1;
}

template <typename T, typename Out>
void matmul(int64_t rows, int64_t inner, int64_t columns, bool left_transposed, bool right_transposed) {
  Array<T> left(rows * inner), right(inner * columns);
  Array<float> bias(columns);
  left.random(), right.random(), bias.random();
  for (const int kind : {0, 1, 2, 3}) {  // plain, with bias, with bias and gelu, accumulating
    Array<Out> out(rows * columns);
    if (kind == 3) out.random();
    kernels::matmul({rows, inner, columns, left.data(), type_of<T>(), left_transposed, right.data(), type_of<T>(),
                     right_transposed, kind == 1 || kind == 2 ? bias.data() : nullptr, out.data(), type_of<Out>(),
                     kind == 2, kind == 3});
    out.expect_numbers("matmul");
  }
}

template <typename T>
void matmuls() {
  const int64_t sizes[][3] = {{0, 5, 7}, {5, 0, 7}, {5, 7, 0}, {1, 1, 1},  {1, 33, 17}, {7, 5, 1},
                              {31, 64, 33}, {67, 129, 45}, {300, 7, 530}, {530, 40, 300}, {37, 1030, 300}};
  for (const auto &s : sizes)
    for (const int transposed : {0, 1, 2}) {
      matmul<T, float>(s[0], s[1], s[2], transposed == 1, transposed == 2);
      if (sizeof(T) == 2) matmul<T, bfloat16>(s[0], s[1], s[2], transposed == 1, transposed == 2);
    }
}

template <typename T>
void gelu(int64_t count) {
  Array<T> x(count), grad_y(count), y(count), grad_x(count);
  x.random(), grad_y.random();
  kernels::gelu(count, type_of<T>(), x.data(), y.data());
  kernels::gelu_gradient(count, type_of<T>(), x.data(), grad_y.data(), grad_x.data());
  y.expect_numbers("gelu"), grad_x.expect_numbers("gelu_gradient");
}

// Sequences of so many queries and keys, with some rows before and behind them.
template <typename T>
void attention(const std::vector<int32_t> &queries, const std::vector<int32_t> &keys, int64_t heads, int64_t width,
               float dropout, int32_t outside) {
  const int64_t sequences = int64_t(queries.size()), size = heads * width;
  Array<int32_t> query_starts(sequences + 1), key_starts(sequences + 1);
  query_starts.data()[0] = key_starts.data()[0] = outside;
  for (int64_t b = 0; b < sequences; ++b) {
    query_starts.data()[b + 1] = query_starts.data()[b] + queries[size_t(b)];
    key_starts.data()[b + 1] = key_starts.data()[b] + keys[size_t(b)];
  }
  const int64_t query_rows = query_starts.data()[sequences] + outside, key_rows = key_starts.data()[sequences] + outside;
  Array<T> query(query_rows * size), key(key_rows * size), value(key_rows * size), grad(query_rows * size);
  Array<T> context(query_rows * size), grad_query(query_rows * size), grad_key(key_rows * size), grad_value(key_rows * size);
  Array<float> log_sums(query_rows * heads);
  query.random(), key.random(), value.random(), grad.random();
  const kernels::AttentionArguments a{sequences, heads, size, query_starts.data(), key_starts.data(), query_rows,
                                      key_rows, type_of<T>(), query.data(), key.data(), value.data(), dropout, 5, 2};
  kernels::attention(a, context.data(), log_sums.data());
  kernels::attention_gradient(a, log_sums.data(), grad.data(), grad_query.data(), grad_key.data(), grad_value.data());
  context.expect_numbers("attention"), grad_query.expect_numbers("attention_gradient of queries");
  grad_key.expect_numbers("attention_gradient of keys"), grad_value.expect_numbers("attention_gradient of values");
}

template <typename T>
void attentions() {
  for (const float dropout : {0.f, 0.1f, 1.f}) {
    attention<T>({}, {}, 2, 8, dropout, 0);
    attention<T>({}, {}, 2, 8, dropout, 3);
    attention<T>({0}, {3}, 2, 64, dropout, 0);
    attention<T>({3}, {0}, 2, 64, dropout, 0);
    attention<T>({1}, {1}, 1, 1, dropout, 0);
    attention<T>({1, 7, 33}, {1, 19, 2}, 3, 5, dropout, 2);
    attention<T>({0, 4, 5}, {3, 0, 6}, 2, 64, dropout, 1);
    attention<T>({101, 8}, {67, 100}, 2, 16, dropout, 0);
  }
}

template <typename Kept, typename Grad>
void norm(int64_t rows, int64_t size, float dropout, bool has_residual) {
  Array<float> x(rows * size), residual(rows * size), gain(size), shift(size), y(rows * size), scales(rows);
  Array<float> grad_y(rows * size), grad_residual(rows * size), grad_gain(size), grad_shift(size), grad_sum(size);
  Array<Kept> normal(rows * size);
  Array<Grad> grad_x(rows * size);
  x.random(), residual.random(), gain.random(), shift.random(), grad_y.random();
  const kernels::NormArguments a{rows, size, x.data(), has_residual ? residual.data() : nullptr, gain.data(),
                                 shift.data(), 1e-5f, dropout, 5, 2};
  kernels::add_norm(a, y.data(), nullptr, 0, nullptr);
  kernels::add_norm(a, y.data(), normal.data(), type_of<Kept>(), scales.data());
  kernels::add_norm_gradient(a, normal.data(), type_of<Kept>(), scales.data(), grad_y.data(),
                             {grad_x.data(), type_of<Grad>(), has_residual ? grad_residual.data() : nullptr,
                              grad_gain.data(), grad_shift.data(), grad_sum.data()});
  y.expect_numbers("add_norm"), normal.expect_numbers("add_norm's sum"), scales.expect_numbers("add_norm's scales");
  grad_x.expect_numbers("add_norm_gradient of x"), grad_gain.expect_numbers("add_norm_gradient of the gain");
  grad_shift.expect_numbers("add_norm_gradient of the shift"), grad_sum.expect_numbers("add_norm_gradient's sum");
  if (has_residual) grad_residual.expect_numbers("add_norm_gradient of the residual");
}

void rows_of(int64_t rows, int64_t size) {
  for (const float probability : {0.f, 0.1f, 1.f}) {
    norm<float, float>(rows, size, probability, true);
    norm<float, bfloat16>(rows, size, probability, false);
    norm<bfloat16, float>(rows, size, probability, false);
    norm<bfloat16, bfloat16>(rows, size, probability, true);
    Array<float> x(rows * size), y(rows * size);
    kernels::dropout(rows, size, x.random().data(), y.data(), probability, uint64_t(1) << 63, 0xffffffff);
    y.expect_numbers("dropout");
  }
  Array<float> x(rows * size), copy(rows * size), back(rows * size), sums(size), low_sums(size);
  Array<bfloat16> low(rows * size), low_copy(rows * size);
  kernels::convert(rows * size, x.random().data(), 0, low.data(), 1);
  kernels::convert(rows * size, low.data(), 1, back.data(), 0);
  kernels::convert(rows * size, low.data(), 1, low_copy.data(), 1);
  kernels::convert(rows * size, x.data(), 0, copy.data(), 0);
  kernels::column_sums(rows, size, x.data(), 0, sums.data());
  kernels::column_sums(rows, size, low.data(), 1, low_sums.data());
  back.expect_numbers("convert"), low_copy.expect_numbers("convert"), copy.expect_numbers("convert");
  sums.expect_numbers("column_sums"), low_sums.expect_numbers("column_sums of bfloat16");
}

// What no number is may pass through, but not lead anywhere.
void not_numbers() {
  const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e-45f, -0.f};
  Array<float> x(8 * 8), y(8 * 8), log_sums(8 * 2), scales(8), gain(8), shift(8);
  Array<bfloat16> low(8 * 8);
  for (int64_t i = 0; i < 64; ++i) x.data()[i] = odd[(i + i / 8) % 8];
  const int32_t starts[] = {0, 8};
  const kernels::AttentionArguments a{1, 2, 8, starts, starts, 8, 8, 0, x.data(), x.data(), x.data(), 0.1f, 5, 2};
  kernels::convert(64, x.data(), 0, low.data(), 1);
  kernels::attention(a, y.data(), log_sums.data());
  kernels::attention_gradient(a, log_sums.data(), x.data(), y.data(), y.data(), y.data());
  kernels::add_norm({8, 8, x.data(), nullptr, gain.random().data(), shift.random().data(), 1e-5f, 0.1f, 5, 2},
                    y.data(), low.data(), 1, scales.data());
  kernels::matmul({8, 8, 8, x.data(), 0, 0, x.data(), 0, 0, nullptr, y.data(), 0, 1, 0});
}

void adam() {
  std::vector<kernels::AdamTensor> tensors;
  kernels::adam_step(0, tensors.data(), {});
  Array<float> value(65537), gradient(65537), moment1(65537), moment2(65537);
  Array<bfloat16> low(65537);
  value.random(), gradient.random(), moment1.random();
  for (int64_t i = 0; i < 65537; ++i) moment2.data()[i] = std::fabs(value.data()[i]);
  const auto tensor = [&](int64_t count, const float *gradients, bfloat16 *lowered) {
    const int64_t start = 65537 - count;
    return kernels::AdamTensor{count, value.data() + start, gradients, moment1.data() + start, moment2.data() + start,
                               lowered, 1e-3f, 0.1f};
  };
  tensors = {tensor(0, gradient.data(), nullptr), tensor(5, nullptr, nullptr)};
  kernels::adam_step(2, tensors.data(), {0.9f, 0.999f, 1e-8f, 0.f, 0.1f, 0.001f});
  tensors = {tensor(65537, gradient.data(), low.data())};
  kernels::adam_step(1, tensors.data(), {0.9f, 0.999f, 1e-8f, 0.25f, 0.1f, 0.001f});
  const uint8_t moving[] = {0, 1, 1};
  const int64_t places[] = {1};
  kernels::adam_step_of_rows(tensor(15, nullptr, nullptr), {5, moving, 1, places, gradient.data()},
                             {0.9f, 0.999f, 1e-8f, 0.f, 0.1f, 0.001f});
  value.expect_numbers("adam_step"), low.expect_numbers("adam_step in bfloat16");
}

}  // namespace

int main(int count, char **) {
  const bool has_bfloat16 = count == 1;  // any argument leaves out what not every processor has
  matmuls<float>();
  if (has_bfloat16) matmuls<bfloat16>();
  for (const int64_t size : {0, 1, 5, 1000, 4099}) {
    gelu<float>(size);
    if (has_bfloat16) gelu<bfloat16>(size);
  }
  attentions<float>(), attentions<bfloat16>();
  for (const int64_t rows : {0, 1, 3, 130})
    for (const int64_t size : {1, 5, 64, 75}) rows_of(rows, size);
  not_numbers();
  adam();
  std::puts("every kernel is clean");
}
