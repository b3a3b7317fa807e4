// AdamW over all tensors at once: each number is read and written once.
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace kernels {
namespace {

constexpr int64_t piece_size = 1 << 16;

struct Piece {
  const AdamTensor *tensor;
  int64_t start, stop;
};

std::vector<Piece> pieces_of(int64_t count, const AdamTensor *tensors) {
  std::vector<Piece> pieces;
  for (const AdamTensor *tensor = tensors; tensor < tensors + count; ++tensor)
    if (tensor->gradient)
      for (int64_t start = 0; start < tensor->count; start += piece_size)
        pieces.push_back({tensor, start, std::min(start + piece_size, tensor->count)});
  return pieces;
}

// Decoupled decay first, then the step, as in Loshchilov and Hutter, "Decoupled weight decay regularization".
void step_piece(const Piece &piece, const AdamSettings &s) {
  const AdamTensor &t = *piece.tensor;
  const float limit = s.clip > 0 ? s.clip : std::numeric_limits<float>::infinity();
  const float keep = 1.f - t.learning_rate * t.weight_decay;
  const float rate = t.learning_rate / s.correction1, root = 1.f / std::sqrt(s.correction2);
#pragma omp simd
  for (int64_t i = piece.start; i < piece.stop; ++i) {
    const float raw = t.gradient[i];
    const float gradient = raw > limit ? limit : raw < -limit ? -limit : raw;
    const float moment1 = s.beta1 * t.moment1[i] + (1.f - s.beta1) * gradient;
    const float moment2 = s.beta2 * t.moment2[i] + (1.f - s.beta2) * gradient * gradient;
    t.moment1[i] = moment1;
    t.moment2[i] = moment2;
    t.value[i] = t.value[i] * keep - rate * moment1 / (__builtin_sqrtf(moment2) * root + s.epsilon);
  }
  if (t.lowered)
#pragma omp simd
    for (int64_t i = piece.start; i < piece.stop; ++i) store(t.lowered[i], t.value[i]);
}

}  // namespace

void adam_step(int64_t count, const AdamTensor *tensors, const AdamSettings &settings) {
  const auto pieces = pieces_of(count, tensors);
#pragma omp parallel for schedule(monotonic : dynamic, 4)
  for (int64_t index = 0; index < int64_t(pieces.size()); ++index) step_piece(pieces[size_t(index)], settings);
}

}  // namespace kernels
