// Matrix products by oneDNN, in float32 or bfloat16, always summed in float32.
//
// oneDNN has two ways. "brgemm" is the faster one for bfloat16 and is compiled for each number of rows, which takes a
// millisecond and up to 250 kB, and more where the left factor is transposed. (The number of rows could be left open, but
// then its threads write over each other.) "gemm" is compiled once for all sizes. It cuts sums by the number of threads,
// so the product is cut here, by its size alone, and each part computed by one thread: float32 products are the same to
// the last bit on any number of threads, bfloat16 ones on the same number.
#include "kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <unordered_map>
#include <vector>

#include <omp.h>

#include "onednn.h"

namespace kernels {
namespace {

using dnnl::memory;

constexpr int64_t open = DNNL_RUNTIME_DIM_VAL;

struct Sizes {
  int64_t rows, inner, columns;
};

// The descriptions of a product's matrices. A part of a product has its own sizes and the whole one's distances.
struct Forms {
  memory::desc left, right, bias, out;

  Forms(const MatmulArguments &a, const Sizes &part, const Sizes &whole)
      : left(matrix(part.rows, part.inner, a.left_type, a.left_transposed ? whole.rows : whole.inner,
                    a.left_transposed)),
        right(matrix(part.inner, part.columns, a.right_type, a.right_transposed ? whole.inner : whole.columns,
                     a.right_transposed)),
        bias(a.bias ? matrix(1, part.columns, int(Type::float32), whole.columns, false) : memory::desc()),
        out(matrix(part.rows, part.columns, a.out_type, whole.columns, false)) {}

  static memory::desc matrix(int64_t rows, int64_t columns, int type, int64_t distance, bool transposed) {
    const auto steps = transposed ? memory::dims{1, distance} : memory::dims{distance, 1};
    return {{rows, columns}, type_of(type), steps};
  }
};

dnnl::matmul::primitive_desc describe(const MatmulArguments &a, const Forms &forms) {
  dnnl::post_ops after;
  if (a.accumulate) after.append_sum(1.f);
  if (a.gelu) after.append_eltwise(dnnl::algorithm::eltwise_gelu_erf, 0.f, 0.f);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // the library's own is not for several threads
  const auto &engine = one_dnn().engine;
  if (a.bias) return {engine, forms.left, forms.right, forms.bias, forms.out, attributes};
  return {engine, forms.left, forms.right, forms.out, attributes};
}

struct Product {
  dnnl::matmul primitive;
  memory::desc scratch;
  bool is_whole;  // oneDNN's threads share it, otherwise each part is for one of them

  Product(const dnnl::matmul::primitive_desc &described, bool is_whole_)
      : primitive(described), scratch(described.scratchpad_desc()), is_whole(is_whole_) {}

  void run(const Forms &forms, dnnl::stream &stream, const MatmulArguments &a) const {
    static thread_local std::vector<char> room;
    if (room.size() < scratch.get_size()) room.resize(scratch.get_size());
    std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, at(forms.left, a.left)},
                                              {DNNL_ARG_WEIGHTS, at(forms.right, a.right)},
                                              {DNNL_ARG_DST, at(forms.out, a.out)},
                                              {DNNL_ARG_SCRATCHPAD, at(scratch, room.data())}};
    if (a.bias) arguments.insert({DNNL_ARG_BIAS, at(forms.bias, a.bias)});
    primitive.execute(stream, arguments);
    stream.wait();
  }
};

bool wants_brgemm(const MatmulArguments &a) {
  return !is_float(a.left_type) && (!a.left_transposed || a.inner <= 384);
}

Product compile(const MatmulArguments &a) {
  if (wants_brgemm(a)) {
    const Sizes sizes{a.rows, a.inner, a.columns};
    const auto described = describe(a, Forms(a, sizes, sizes));
    if (std::strncmp(described.impl_info_str(), "brg", 3) == 0) return {described, true};
  }
  const Sizes sizes{open, open, open};
  return {describe(a, Forms(a, sizes, sizes)), false};
}

const Product &compiled(const MatmulArguments &a) {
  using Key = std::array<int64_t, 12>;
  static std::map<Key, Product> known;
  const bool has_sizes = wants_brgemm(a);
  const Key key{a.rows * has_sizes, a.inner * has_sizes, a.columns * has_sizes, a.left_type, a.left_transposed,
                a.right_type, a.right_transposed, a.out_type, a.bias != nullptr, a.gelu, a.accumulate,
                omp_get_max_threads()};
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  if (known.size() >= 512) known.clear();  // numbers of rows are many: do not keep them all for ever
  return known.emplace(key, compile(a)).first->second;
}

// What lies `rows` and `columns` further in a matrix of numbers of a type.
template <typename Data>
Data *further(Data *data, int type, int64_t rows, int64_t row_step, int64_t columns, int64_t column_step) {
  const int64_t bytes = is_float(type) ? 4 : 2;
  return (Data *)((char *)data + bytes * (rows * row_step + columns * column_step));
}

MatmulArguments part_of(const MatmulArguments &a, int64_t row, int64_t column) {
  MatmulArguments part = a;
  part.left = further(a.left, a.left_type, row, a.left_transposed ? 1 : a.inner, 0, 0);
  part.right = further(a.right, a.right_type, 0, 0, column, a.right_transposed ? a.inner : 1);
  part.out = further(a.out, a.out_type, row, a.columns, column, 1);
  if (a.bias) part.bias = a.bias + column;
  return part;
}

// Of equal parts of whole vectors.
int64_t part_size(int64_t count, int64_t parts) {
  return parts == 1 ? count : parts_of(count, parts * 16) * 16;
}

// How a product is cut: small enough for a thread's caches, and into an even number of parts, for two threads.
struct Cut {
  int64_t height, width;

  explicit Cut(const MatmulArguments &a) {
    int64_t high = parts_of(a.rows, 256), wide = parts_of(a.columns, a.rows > 256 ? 512 : 256);
    if (high * wide % 2 == 1) (a.rows >= 32 ? high : wide) += 1;
    height = part_size(a.rows, high), width = part_size(a.columns, wide);
  }
};

void run_in_parts(const MatmulArguments &a, const Product &product) {
  const auto [height, width] = Cut(a);
  const int64_t high = parts_of(a.rows, height), wide = parts_of(a.columns, width);
  const Sizes whole{a.rows, a.inner, a.columns};
#pragma omp parallel
  {
    static thread_local dnnl::stream stream(one_dnn().engine);
#pragma omp for schedule(monotonic : dynamic, 1)
    for (int64_t index = 0; index < high * wide; ++index) {
      const int64_t row = index % high * height, column = index / high * width;
      const Sizes sizes{std::min(height, a.rows - row), a.inner, std::min(width, a.columns - column)};
      product.run(Forms(a, sizes, whole), stream, part_of(a, row, column));
    }
  }
}

float gelu_of(float x) { return 0.5f * x * (1.f + std::erf(x * 0.70710678f)); }

// The sum of nothing is 0.
template <typename Out>
void finish_nothing(const MatmulArguments &a, Out *out) {
  for (int64_t index = 0; index < a.rows * a.columns; ++index) {
    const float sum = (a.bias ? a.bias[index % a.columns] : 0.f) + (a.accumulate ? load(out[index]) : 0.f);
    store(out[index], a.gelu ? gelu_of(sum) : sum);
  }
}

}  // namespace

void matmul(const MatmulArguments &a) {
  if (a.rows == 0 || a.columns == 0) return;
  if (a.inner == 0) {
    if (is_float(a.out_type)) return finish_nothing(a, (float *)a.out);
    return finish_nothing(a, (bfloat16 *)a.out);
  }
  if (fits_panels(a)) {
    multiply_panels(a);
    return a.gelu ? gelu(a.rows * a.columns, a.out_type, a.out, a.out) : void();
  }
  auto &shared = one_dnn();
  const std::lock_guard<std::mutex> guard(shared.lock);
  const auto &product = compiled(a);
  const Sizes sizes{a.rows, a.inner, a.columns};
  if (product.is_whole) product.run(Forms(a, sizes, sizes), shared.stream, a);
  else run_in_parts(a, product);
}

}  // namespace kernels
