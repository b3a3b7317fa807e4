"""Has every kernel compute something, on one thread and on two, and compares it with numpy.

`python -m vilbert.kernels_selftest` prints a JSON object on stdout, or ends with a sentence on stderr and exit code 1.
`vilbert-ts setup` runs it after a build: that a library compiles says little about whether it computes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from vilbert import kernel_reference as reference
from vilbert import kernels
from vilbert.kernel_library import has_bfloat16, unfit_because
from vilbert.matrix import Matrix

TOLERANCES = {paddle.float32: 2e-5, paddle.bfloat16: 2e-2}  # of the largest number
Results = Iterator[tuple[kernels.Numbers, np.ndarray]]  # what a kernel made, and what it should be


class SelfTestError(Exception):
    """A kernel computes something else than numpy."""


class Numbers:
    """Random tensors of one type, the same for the same seed, and the numbers that they hold after rounding."""

    def __init__(self, dtype: paddle.dtype, seed: int = 0) -> None:
        self.dtype = dtype
        self._random = np.random.default_rng(seed)

    def __call__(self, *shape: int, dtype: paddle.dtype | None = None) -> tuple[Tensor, np.ndarray]:
        """Normal numbers of a shape: the tensor, and what it holds as float64."""
        tensor = paddle.to_tensor(self._random.standard_normal(shape).astype(np.float32))
        tensor = tensor.cast(dtype or self.dtype)
        return tensor, as_float64(tensor)


def as_float64(x: kernels.Numbers) -> np.ndarray:
    """The numbers that a kernel takes or makes."""
    single = x.float32() if isinstance(x, Matrix) else x.cast("float32").numpy()
    return single.astype(np.float64)


def _matmul(numbers: Numbers) -> Results:
    for rows, inner, columns in (33, 40, 70), (300, 24, 600), (100, 1024, 1024):
        left, a = numbers(rows, inner)
        right, b = numbers(inner, columns)
        bias, c = numbers(columns, dtype=paddle.float32)
        yield _product(left, right, rows, columns, bias=bias), a @ b + c
        yield _product(left, right, rows, columns, bias=bias, gelu=True), reference.gelu(a @ b + c)
        grad, g = numbers(rows, columns)
        yield _product(grad, right, rows, inner, right_transposed=True), g @ b.T
        yield _product(left, grad, inner, columns, left_transposed=True), a.T @ g
        sums, s = numbers(rows, inner, dtype=paddle.float32)
        yield kernels.matmul(grad, right, sums, right_transposed=True, accumulate=True), s + g @ b.T


def _product(left: Tensor, right: Tensor, rows: int, columns: int, **how: Any) -> Tensor:
    return kernels.matmul(left, right, paddle.empty([rows, columns], "float32"), **how)


def _gelu(numbers: Numbers) -> Results:
    x, before = numbers(37, 129)
    grad_y, gradient = numbers(37, 129)
    yield kernels.gelu(x), reference.gelu(before)
    yield kernels.gelu_gradient(x, grad_y), reference.gelu_gradient(before, gradient)


def _attention(numbers: Numbers) -> Results:
    query_starts, key_starts = np.array([0, 5, 6, 40], np.int32), np.array([0, 9, 12, 33], np.int32)
    how = 2, kernels.Dropout(0.1, 7, 3)
    (query, q), (grad, g) = numbers(42, 48), numbers(42, 48)
    (key, k), (value, v) = numbers(35, 48), numbers(35, 48)
    a = kernels.Attention(query_starts, key_starts, *how)
    r = reference.Attention(query_starts, key_starts, *how)
    context, log_sums = kernels.attention(a, query, key, value)
    yield context, reference.attention(r, q, k, v)
    made = kernels.attention_gradient(a, query, key, value, log_sums, grad)
    yield from zip(made, reference.attention_gradient(r, q, k, v, g))


def _add_norm(numbers: Numbers) -> Results:
    single = paddle.float32
    (x, before), (residual, added) = numbers(130, 75, dtype=single), numbers(130, 75, dtype=single)
    (gain, ga), (shift, sh) = numbers(75, dtype=single), numbers(75, dtype=single)
    how = 1e-12, kernels.Dropout(0.1, 7, 3)
    n, r = kernels.Norm(gain, shift, *how), reference.Norm(ga, sh, *how)
    y, normal, scales = kernels.add_norm(n, x, residual, numbers.dtype)
    assert normal is not None, "asked for"
    assert scales is not None, "asked for"
    yield from zip((y, normal, scales), reference.add_norm(r, before, added))
    grad_y, g = numbers(130, 75, dtype=single)
    made = kernels.add_norm_gradient(n, normal, scales, grad_y, has_residual=True, grad_dtype=numbers.dtype)
    for tensor, expected in zip(
        made, reference.add_norm_gradient(r, as_float64(normal), as_float64(scales), g)
    ):
        assert tensor is not None, "asked for"
        yield tensor, expected


def _rows(numbers: Numbers) -> Results:
    x, before = numbers(131, 77, dtype=paddle.float32)
    how = kernels.Dropout(0.3, 2**40 + 5, 9)
    yield kernels.dropout(x, how), reference.dropout(before, how)
    low, lowered = numbers(131, 77)
    yield kernels.column_sums(low), lowered.sum(0)
    yield kernels.convert(x, paddle.bfloat16), reference.bfloat16(x.numpy()).astype(np.float64)
    yield kernels.convert(low, paddle.float32), lowered


def _adam(numbers: Numbers) -> Results:
    single = paddle.float32
    (value, v), (gradient, g) = numbers(70_001, dtype=single), numbers(70_001, dtype=single)
    (moment1, m1), (moment2, m2) = numbers(70_001, dtype=single), numbers(70_001, dtype=single)
    moment2, m2 = moment2.abs(), np.abs(m2)
    lowered = value.cast("bfloat16")
    addresses = (tensor.data_ptr() for tensor in (value, gradient, moment1, moment2, lowered))
    settings = kernels.AdamSettings(0.9, 0.999, 1e-8, 1.5, 1 - 0.9**3, 1 - 0.999**3)
    kernels.adam_step([kernels.AdamTensor(70_001, *addresses, 1e-2, 0.1)], settings)
    how = {"rate": 1e-2, "decay": 0.1, "betas": (0.9, 0.999), "epsilon": 1e-8, "clip": 1.5, "step": 3}
    yield from zip((value, moment1, moment2), reference.adam_step(reference.Adam(v, m1, m2), g, **how))
    yield lowered, reference.bfloat16(value.numpy()).astype(np.float64)


CHECKS: dict[str, Callable[[Numbers], Results]] = {
    "matmul": _matmul,
    "gelu": _gelu,
    "attention": _attention,
    "add_norm": _add_norm,
    "rows": _rows,
    "adam_step": _adam,
}


def check(name: str, dtype: paddle.dtype) -> None:
    """Runs one check; raises a SelfTestError."""
    results = []
    for count in (1, 2):
        with kernels.threads(count):
            results.append([(as_float64(made), expected) for made, expected in CHECKS[name](Numbers(dtype))])
    precision = "float32" if dtype == paddle.float32 else "bfloat16"
    for number, ((one, expected), (two, _)) in enumerate(zip(*results)):
        error = np.abs(one - expected).max() / max(np.abs(expected).max(), 1e-30)
        if not error <= TOLERANCES[dtype]:
            raise SelfTestError(f"{name} in {precision}, number {number}, is off by {error:.1e} of its size.")
        # oneDNN cuts the sums of bfloat16 products by the number of threads.
        if not np.array_equal(one, two) and not (name == "matmul" and dtype == paddle.bfloat16):
            raise SelfTestError(f"{name} in {precision}, number {number}, depends on the number of threads.")


def main() -> None:
    """Runs all checks."""
    paddle.set_device("cpu")
    reason = unfit_because()
    if reason is not None:
        raise SelfTestError(f"{reason}.")
    types = [paddle.float32, paddle.bfloat16] if has_bfloat16() else [paddle.float32]
    for dtype in types:
        for name in CHECKS:
            check(name, dtype)
    print(json.dumps({"checked": list(CHECKS), "bfloat16": len(types) > 1}), file=answer)


if __name__ == "__main__":
    # Paddle prints when it computes first: stdout is for the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        main()
        answer.close()
    except SelfTestError as failure:
        sys.exit(str(failure))
