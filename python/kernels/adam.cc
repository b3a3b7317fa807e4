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

// What all numbers of one tensor share.
struct Factors {
  float keep, rate, root, limit;

  Factors(const AdamTensor &t, const AdamSettings &s)
      : keep(1.f - t.learning_rate * t.weight_decay),
        rate(t.learning_rate / s.correction1),
        root(1.f / std::sqrt(s.correction2)),
        limit(s.clip > 0 ? s.clip : std::numeric_limits<float>::infinity()) {}
};

// Decoupled decay first, then the step, as in Loshchilov and Hutter, "Decoupled weight decay regularization".
void step_numbers(int64_t count, float *value, const float *gradients, float *moments1, float *moments2,
                  const Factors &f, const AdamSettings &s) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float raw = gradients[i];
    const float gradient = raw > f.limit ? f.limit : raw < -f.limit ? -f.limit : raw;
    const float moment1 = s.beta1 * moments1[i] + (1.f - s.beta1) * gradient;
    const float moment2 = s.beta2 * moments2[i] + (1.f - s.beta2) * gradient * gradient;
    moments1[i] = moment1;
    moments2[i] = moment2;
    value[i] = value[i] * f.keep - f.rate * moment1 / (__builtin_sqrtf(moment2) * f.root + s.epsilon);
  }
}

void step_piece(const Piece &piece, const AdamSettings &s) {
  const AdamTensor &t = *piece.tensor;
  const int64_t start = piece.start;
  step_numbers(piece.stop - start, t.value + start, t.gradient + start, t.moment1 + start, t.moment2 + start,
               Factors(t, s), s);
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

void adam_step_of_rows(const AdamTensor &t, const AdamRows &r, const AdamSettings &settings) {
  const int64_t rows = t.count / r.width;
  const std::vector<float> nothing(size_t(r.width));
  std::vector<const float *> gradients(size_t(rows), nothing.data());
  for (int64_t i = 0; i < r.count; ++i) gradients[size_t(r.places[i])] = r.gradients + i * r.width;
  const Factors factors(t, settings);
#pragma omp parallel for schedule(monotonic : dynamic, 256)
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t start = row * r.width;
    float *value = t.value + start;
    if (r.moving[row])
      step_numbers(r.width, value, gradients[size_t(row)], t.moment1 + start, t.moment2 + start, factors, settings);
    else if (t.weight_decay != 0)
#pragma omp simd
      for (int64_t i = 0; i < r.width; ++i) value[i] *= factors.keep;
  }
}

}  // namespace kernels
