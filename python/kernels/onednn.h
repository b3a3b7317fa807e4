// oneDNN, as Paddle's wheel carries it.
#pragma once
#include <mutex>
#include <stdexcept>
#include <string>

#include "dnnl.hpp"
#include "numbers.h"

namespace kernels {

// One engine, one stream: calls come one at a time, the threads are inside them.
struct OneDnn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::mutex lock;

  OneDnn() {
    dnnl::set_primitive_cache_capacity(64);  // enough for gelu; matmul.cc has a cache of its own
    const auto *version = dnnl_version();
    if (version->major == DNNL_VERSION_MAJOR && version->minor >= DNNL_VERSION_MINOR) return;
    throw std::runtime_error("oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) +
                             " does not fit the headers of " + std::to_string(DNNL_VERSION_MAJOR) + "." +
                             std::to_string(DNNL_VERSION_MINOR));
  }
};

inline OneDnn &one_dnn() {
  static OneDnn instance;
  return instance;
}

inline dnnl::memory::data_type type_of(int type) {
  return is_float(type) ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

inline dnnl::memory at(const dnnl::memory::desc &form, const void *data) {
  return {form, one_dnn().engine, const_cast<void *>(data)};
}

}  // namespace kernels
