// Matrix products by oneDNN, in float32 or bfloat16, always summed in float32.
#include "kernels.h"

#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "dnnl.hpp"

namespace kernels {
namespace {

using dnnl::memory;

// One engine, one stream: calls come one at a time, the threads are inside them.
struct OneDnn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::mutex lock;
};

OneDnn &one_dnn() {
  static OneDnn instance;
  return instance;
}

memory::data_type type_of(int type) {
  return Type(type) == Type::float32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory::desc matrix(int64_t rows, int64_t columns, int type, bool transposed) {
  const auto order = transposed ? memory::format_tag::ba : memory::format_tag::ab;
  return {{rows, columns}, type_of(type), order};
}

// What a compiled product depends on.
using Form = std::tuple<int64_t, int64_t, int64_t, int, int, int, int, int, int, int, int>;

dnnl::matmul compiled(const MatmulArguments &a, bool has_packed_weights, const memory::desc &right) {
  static std::map<Form, dnnl::matmul> known;
  const Form form{a.rows, a.inner, a.columns, a.left_type, a.left_transposed, a.right_type,
                  a.right_transposed, a.out_type, a.bias != nullptr, a.gelu, a.accumulate + 2 * has_packed_weights};
  const auto found = known.find(form);
  if (found != known.end()) return found->second;
  // Numbers of rows differ from batch to batch: do not keep them all for ever.
  if (known.size() > 4096) known.clear();
  dnnl::post_ops after;
  if (a.accumulate) after.append_sum(1.f);
  if (a.gelu) after.append_eltwise(dnnl::algorithm::eltwise_gelu_erf, 0.f, 0.f);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);
  const auto left = matrix(a.rows, a.inner, a.left_type, a.left_transposed);
  const auto out = matrix(a.rows, a.columns, a.out_type, false);
  const auto bias = a.bias ? matrix(1, a.columns, int(Type::float32), false) : memory::desc();
  const auto &engine = one_dnn().engine;
  const auto described = a.bias ? dnnl::matmul::primitive_desc(engine, left, right, bias, out, attributes)
                                : dnnl::matmul::primitive_desc(engine, left, right, out, attributes);
  return known.emplace(form, dnnl::matmul(described)).first->second;
}

void run(const MatmulArguments &a, bool has_packed_weights, const memory::desc &right) {
  auto &shared = one_dnn();
  const std::lock_guard<std::mutex> guard(shared.lock);
  const auto product = compiled(a, has_packed_weights, right);
  const auto at = [&](const memory::desc &form, const void *data) {
    return memory(form, shared.engine, const_cast<void *>(data));
  };
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, at(matrix(a.rows, a.inner, a.left_type, a.left_transposed), a.left)},
      {DNNL_ARG_WEIGHTS, at(right, a.right)},
      {DNNL_ARG_DST, at(matrix(a.rows, a.columns, a.out_type, false), a.out)}};
  if (a.bias) arguments.insert({DNNL_ARG_BIAS, at(matrix(1, a.columns, int(Type::float32), false), a.bias)});
  product.execute(shared.stream, arguments);
  shared.stream.wait();
}

}  // namespace

void matmul(const MatmulArguments &a) {
  if (a.rows == 0 || a.columns == 0) return;
  run(a, false, matrix(a.inner, a.columns, a.right_type, a.right_transposed));
}

void gelu(int64_t count, int type, const void *x, void *y) {
  if (count == 0) return;
  auto &shared = one_dnn();
  const std::lock_guard<std::mutex> guard(shared.lock);
  const memory::desc form({count}, type_of(type), memory::format_tag::a);
  const dnnl::eltwise_forward::primitive_desc described(
      shared.engine, dnnl::prop_kind::forward_training, dnnl::algorithm::eltwise_gelu_erf, form, form, 0.f, 0.f);
  dnnl::eltwise_forward(described)
      .execute(shared.stream, {{DNNL_ARG_SRC, memory(form, shared.engine, const_cast<void *>(x))},
                               {DNNL_ARG_DST, memory(form, shared.engine, y)}});
  shared.stream.wait();
}

void gelu_gradient(int64_t count, int type, const void *x, const void *grad_y, void *grad_x) {
  if (count == 0) return;
  auto &shared = one_dnn();
  const std::lock_guard<std::mutex> guard(shared.lock);
  const memory::desc form({count}, type_of(type), memory::format_tag::a);
  const dnnl::eltwise_forward::primitive_desc forward(
      shared.engine, dnnl::prop_kind::forward_training, dnnl::algorithm::eltwise_gelu_erf, form, form, 0.f, 0.f);
  const dnnl::eltwise_backward::primitive_desc described(
      shared.engine, dnnl::algorithm::eltwise_gelu_erf, form, form, form, 0.f, 0.f, forward);
  dnnl::eltwise_backward(described)
      .execute(shared.stream, {{DNNL_ARG_SRC, memory(form, shared.engine, const_cast<void *>(x))},
                               {DNNL_ARG_DIFF_DST, memory(form, shared.engine, const_cast<void *>(grad_y))},
                               {DNNL_ARG_DIFF_SRC, memory(form, shared.engine, grad_x)}});
  shared.stream.wait();
}

}  // namespace kernels
