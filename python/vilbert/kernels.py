"""The door to `python/kernels`: its C functions on tensors of Paddle and matrices of our own.

The library is optional (`vilbert.kernel_library`); without it everything runs on Paddle's own operators.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar, Union, overload

import numpy as np
import paddle
from paddle import Tensor

from vilbert.calls import call, run_waiting
from vilbert.calls import timed as timed
from vilbert.calls import together as together
from vilbert.kernel_arguments import (
    AdamRows,
    AttentionArguments,
    MatmulArguments,
    NormArguments,
    NormGradientArguments,
)
from vilbert.kernel_arguments import AdamSettings as AdamSettings
from vilbert.kernel_arguments import AdamTensor as AdamTensor
from vilbert.kernel_library import has_bfloat16 as has_bfloat16
from vilbert.kernel_library import library
from vilbert.matrix import Matrix

FLOAT32, BFLOAT16 = 0, 1
TYPES = {paddle.float32: FLOAT32, paddle.bfloat16: BFLOAT16}

Numbers = Union[Tensor, Matrix]
Out = TypeVar("Out", Tensor, Matrix)


class Dropout(NamedTuple):
    """A dropout's probability and which random numbers it takes."""

    probability: float
    seed: int
    stream: int


class Attention(NamedTuple):
    """How packed queries and keys belong together: starts are int32, one more than there are sequences."""

    query_starts: np.ndarray
    key_starts: np.ndarray
    heads: int
    dropout: Dropout


def are_available() -> bool:
    """Whether the library is built and fits."""
    return library() is not None


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Lets the kernels compute on another number of threads for a while."""
    loaded = library()
    assert loaded is not None, "callers ask are_available() first"
    before = loaded.vilbert_threads()
    run_waiting()
    loaded.vilbert_set_threads(count)
    try:
        yield
        run_waiting()
    finally:
        loaded.vilbert_set_threads(before)


def address(x: Numbers | None) -> int | None:
    """Where the numbers lie."""
    return None if x is None else x.data_ptr()


def matmul(
    left: Numbers,
    right: Numbers,
    out: Out,
    *,
    left_transposed: bool = False,
    right_transposed: bool = False,
    bias: Tensor | None = None,
    gelu: bool = False,
    accumulate: bool = False,
) -> Out:
    """`out` (M, N) = left (M, K) x right (K, N), plus a bias (N), then gelu; or added to what `out` holds."""
    rows, columns = out.shape
    inner = left.shape[0 if left_transposed else 1]
    arguments = MatmulArguments(
        rows,
        inner,
        columns,
        left.data_ptr(),
        TYPES[left.dtype],
        left_transposed,
        right.data_ptr(),
        TYPES[right.dtype],
        right_transposed,
        address(bias),
        out.data_ptr(),
        TYPES[out.dtype],
        gelu,
        accumulate,
    )
    call("matmul", ctypes.byref(arguments), operations=2 * rows * inner * columns)
    return out


def gelu(x: Numbers) -> Matrix:
    """The exact gelu, element by element."""
    y = Matrix(x.shape, x.dtype)
    call("gelu", math.prod(x.shape), TYPES[x.dtype], x.data_ptr(), y.data_ptr())
    return y


def gelu_gradient(x: Numbers, grad_y: Numbers) -> Matrix:
    """The gradient for the `x` of `gelu`."""
    grad_x = Matrix(x.shape, x.dtype)
    call(
        "gelu_gradient",
        math.prod(x.shape),
        TYPES[x.dtype],
        x.data_ptr(),
        grad_y.data_ptr(),
        grad_x.data_ptr(),
    )
    return grad_x


def _attention(a: Attention, query: Numbers, key: Numbers, value: Numbers) -> AttentionArguments:
    return AttentionArguments(
        len(a.query_starts) - 1,
        a.heads,
        query.shape[1],
        a.query_starts.ctypes.data,
        a.key_starts.ctypes.data,
        query.shape[0],
        key.shape[0],
        TYPES[query.dtype],
        query.data_ptr(),
        key.data_ptr(),
        value.data_ptr(),
        *a.dropout,
    )


def attention(a: Attention, query: Numbers, key: Numbers, value: Numbers) -> tuple[Matrix, Matrix]:
    """Context (N, D) of packed queries (N, D) over keys and values (M, D), and what the gradient needs."""
    context = Matrix(query.shape, query.dtype)
    log_sums = Matrix([query.shape[0], a.heads])
    arguments = _attention(a, query, key, value)
    call("attention", ctypes.byref(arguments), context.data_ptr(), log_sums.data_ptr(), holds=a)
    return context, log_sums


def attention_gradient(
    a: Attention, query: Numbers, key: Numbers, value: Numbers, log_sums: Numbers, grad_context: Numbers
) -> tuple[Matrix, Matrix, Matrix]:
    """The gradients for query, key and value."""
    gradients = (
        Matrix(query.shape, query.dtype),
        Matrix(key.shape, key.dtype),
        Matrix(value.shape, value.dtype),
    )
    call(
        "attention_gradient",
        ctypes.byref(_attention(a, query, key, value)),
        log_sums.data_ptr(),
        grad_context.data_ptr(),
        *(gradient.data_ptr() for gradient in gradients),
        holds=a,
    )
    return gradients


class Norm(NamedTuple):
    """The parameters of a layer norm and the dropout before it."""

    gain: Tensor  # (D,)
    shift: Tensor  # (D,)
    epsilon: float
    dropout: Dropout


def _norm(n: Norm, shape: Sequence[int], x: Numbers | None, residual: Numbers | None) -> NormArguments:
    gain, shift = n.gain.data_ptr(), n.shift.data_ptr()
    return NormArguments(*shape, address(x), address(residual), gain, shift, n.epsilon, *n.dropout)


def add_norm(
    n: Norm, x: Numbers, residual: Numbers | None, kept_dtype: paddle.dtype | None
) -> tuple[Matrix, Matrix | None, Matrix | None]:
    """Layer norm of dropout(x) + residual, all (N, D) float32; and, for the gradient, the normalised sum and scales.

    These two are made where `kept_dtype` says how.
    """
    y = Matrix(x.shape, x.dtype)
    normal = None if kept_dtype is None else Matrix(x.shape, kept_dtype)
    scales = None if kept_dtype is None else Matrix([x.shape[0]])
    kept_type = FLOAT32 if kept_dtype is None else TYPES[kept_dtype]
    arguments = _norm(n, x.shape, x, residual)
    call("add_norm", ctypes.byref(arguments), y.data_ptr(), address(normal), kept_type, address(scales))
    return y, normal, scales


class NormGradients(NamedTuple):
    """Gradients of `add_norm`; `x_sum` (D,) is that of a bias that was added to x."""

    x: Matrix
    residual: Matrix | None
    gain: Matrix
    shift: Matrix
    x_sum: Matrix


def add_norm_gradient(
    n: Norm,
    normal: Numbers,
    scales: Numbers,
    grad_y: Numbers,
    *,
    has_residual: bool,
    grad_dtype: paddle.dtype,
) -> NormGradients:
    """The gradients of `add_norm`."""
    size = [normal.shape[1]]
    to = NormGradients(
        x=Matrix(normal.shape, grad_dtype),
        residual=Matrix(normal.shape) if has_residual else None,
        gain=Matrix(size),
        shift=Matrix(size),
        x_sum=Matrix(size),
    )
    addresses = NormGradientArguments(
        to.x.data_ptr(),
        TYPES[grad_dtype],
        address(to.residual),
        to.gain.data_ptr(),
        to.shift.data_ptr(),
        to.x_sum.data_ptr(),
    )
    call(
        "add_norm_gradient",
        ctypes.byref(_norm(n, normal.shape, None, None)),
        normal.data_ptr(),
        TYPES[normal.dtype],
        scales.data_ptr(),
        grad_y.data_ptr(),
        ctypes.byref(addresses),
    )
    return to


def dropout(x: Numbers, d: Dropout) -> Matrix:
    """Dropout of (N, D) float32; of a gradient it is the gradient."""
    y = Matrix(x.shape, x.dtype)
    call("dropout", *x.shape, x.data_ptr(), y.data_ptr(), *d)
    return y


@overload
def convert(x: Matrix, dtype: paddle.dtype) -> Matrix: ...


@overload
def convert(x: Numbers, dtype: paddle.dtype) -> Numbers: ...


def convert(x: Numbers, dtype: paddle.dtype) -> Numbers:
    """The same numbers in another type."""
    if x.dtype == dtype:
        return x
    y = Matrix(x.shape, dtype)
    call("convert", math.prod(x.shape), x.data_ptr(), TYPES[x.dtype], y.data_ptr(), TYPES[dtype])
    return y


def column_sums(x: Numbers) -> Matrix:
    """Sum over the rows of (N, D); (D,) float32."""
    sums = Matrix([x.shape[1]])
    call("column_sums", *x.shape, x.data_ptr(), TYPES[x.dtype], sums.data_ptr())
    return sums


def adam_step(tensors: Sequence[AdamTensor], settings: AdamSettings) -> None:
    """One AdamW step over all tensors."""
    array = (AdamTensor * len(tensors))(*tensors)
    call("adam_step", len(tensors), ctypes.byref(array), ctypes.byref(settings))


def adam_step_of_rows(
    table: AdamTensor,
    moving: np.ndarray,
    rows: np.ndarray,
    gradients: np.ndarray,
    settings: AdamSettings,
) -> None:
    """One AdamW step over a table (P, D) whose gradient is (N, D) in `rows` (N,) and zero elsewhere.

    Rows that are not `moving` (P,) have neither a gradient nor moments and only decay; the table's own `gradient` and
    `lowered` are not looked at.
    """
    places, gradients = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(gradients)
    addresses = (array.ctypes.data for array in (places, gradients))
    own = AdamRows(gradients.shape[1], moving.ctypes.data, len(places), *addresses)
    holds = moving, places, gradients
    call("adam_step_of_rows", ctypes.byref(table), ctypes.byref(own), ctypes.byref(settings), holds=holds)
