// The exact gelu and its gradient by oneDNN, element by element.
#include "kernels.h"
#include "onednn.h"

namespace kernels {
namespace {

using dnnl::algorithm;
using dnnl::memory;

memory::desc row_of(int64_t count, int type) { return {{count}, type_of(type), memory::format_tag::a}; }

dnnl::eltwise_forward::primitive_desc described(const memory::desc &form) {
  return {one_dnn().engine, dnnl::prop_kind::forward_training, algorithm::eltwise_gelu_erf, form, form, 0.f, 0.f};
}

}  // namespace

void gelu(int64_t count, int type, const void *x, void *y) {
  if (count == 0) return;
  auto &shared = one_dnn();
  const std::lock_guard<std::mutex> guard(shared.lock);
  const auto form = row_of(count, type);
  dnnl::eltwise_forward(described(form))
      .execute(shared.stream, {{DNNL_ARG_SRC, at(form, x)}, {DNNL_ARG_DST, at(form, y)}});
  shared.stream.wait();
}

void gelu_gradient(int64_t count, int type, const void *x, const void *grad_y, void *grad_x) {
  if (count == 0) return;
  auto &shared = one_dnn();
  const std::lock_guard<std::mutex> guard(shared.lock);
  const auto form = row_of(count, type);
  const dnnl::eltwise_backward::primitive_desc backward(shared.engine, algorithm::eltwise_gelu_erf, form, form, form,
                                                        0.f, 0.f, described(form));
  dnnl::eltwise_backward(backward).execute(
      shared.stream,
      {{DNNL_ARG_SRC, at(form, x)}, {DNNL_ARG_DIFF_DST, at(form, grad_y)}, {DNNL_ARG_DIFF_SRC, at(form, grad_x)}});
  shared.stream.wait();
}

}  // namespace kernels
