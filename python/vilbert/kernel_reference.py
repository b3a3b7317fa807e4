"""What every kernel of `python/kernels` computes, in numpy and float64: slow, short, and what the others are held to."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

Array = np.ndarray
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
WORD = 0xFFFFFFFF


class Attention(NamedTuple):
    """How packed queries and keys belong together, and the dropout of the probabilities: (probability, seed, stream)."""

    query_starts: Array  # (B + 1,)
    key_starts: Array  # (B + 1,)
    heads: int
    dropout: tuple[float, int, int]


class Norm(NamedTuple):
    """A layer norm's parameters and the dropout before it."""

    gain: Array  # (D,)
    shift: Array  # (D,)
    epsilon: float
    dropout: tuple[float, int, int]


def philox(counter: tuple[Array | int, ...], key: tuple[int, int]) -> Array:
    """The four words of Philox4x32-10 for each counter of four words, (…, 4) (Salmon et al., SC 2011)."""
    x = [np.asarray(word, np.uint64) for word in counter]
    for number in range(10):
        keys = [np.uint64((word + number * step) & WORD) for word, step in zip(key, KEY_STEPS)]
        products = [x[0] * np.uint64(MULTIPLIERS[0]), x[2] * np.uint64(MULTIPLIERS[1])]
        high = [product >> np.uint64(32) for product in products]
        low = [product & np.uint64(WORD) for product in products]
        x = [high[1] ^ x[1] ^ keys[0], low[1], high[0] ^ x[3] ^ keys[1], low[0]]
    return np.stack(np.broadcast_arrays(*x), axis=-1).astype(np.uint32)


def dropout_factors(first: int, count: int, dropout: tuple[float, int, int]) -> Array:
    """0 or 1 / (1 - probability) for the elements first … first + count of a dropout, (count,)."""
    probability, seed, stream = np.float32(dropout[0]), dropout[1], dropout[2]
    if probability >= 1:
        return np.zeros(count)
    groups = np.arange(first // 4, first // 4 + (count + 3) // 4, dtype=np.uint64)
    counter = groups & np.uint64(WORD), groups >> np.uint64(32), stream, 0
    numbers = philox(counter, (seed & WORD, seed >> 32)).reshape(-1)[:count]
    return np.where(numbers < int(float(probability) * 2**32), 0.0, 1.0 / (1.0 - float(probability)))


def dropout(x: Array, how: tuple[float, int, int]) -> Array:
    """Dropout of (N, D): every row takes whole groups of four numbers."""
    rows, size = x.shape
    row_numbers = (size + 3) // 4 * 4
    factors = [dropout_factors(row * row_numbers, size, how) for row in range(rows)]
    return x * np.reshape(factors, x.shape)


def bfloat16(x: Array) -> Array:
    """float32 numbers that are rounded to bfloat16, ties to even; a NaN stays one."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), np.float32("nan"), rounded.view(np.float32))


def gelu(x: Array) -> Array:
    """The exact gelu."""
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def gelu_gradient(x: Array, grad_y: Array) -> Array:
    """Its gradient for x."""
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return grad_y * (0.5 * (1.0 + _erf(x / math.sqrt(2.0))) + x * density)


def _erf(x: Array) -> Array:
    return np.array([math.erf(each) for each in x.ravel()]).reshape(x.shape)


def attention(a: Attention, query: Array, key: Array, value: Array) -> Array:
    """Context (N, D) of queries (N, D) over keys and values (M, D), sequence by sequence, head by head."""
    context = np.zeros_like(query)
    for head in _heads(a, query.shape[1]):
        probabilities = _softmax(head, query, key)
        context[head.queries, head.columns] = (probabilities * head.factors) @ value[head.keys, head.columns]
    return context


def attention_gradient(
    a: Attention, query: Array, key: Array, value: Array, grad_context: Array
) -> tuple[Array, Array, Array]:
    """The gradients for query, key and value."""
    grad_query, grad_key, grad_value = np.zeros_like(query), np.zeros_like(key), np.zeros_like(value)
    for head in _heads(a, query.shape[1]):
        probabilities = _softmax(head, query, key)
        queries, keys = (head.queries, head.columns), (head.keys, head.columns)
        grad_probabilities = grad_context[queries] @ value[keys].T * head.factors
        along = (probabilities * grad_probabilities).sum(1, keepdims=True)
        grad_scores = probabilities * (grad_probabilities - along) * head.scale
        grad_query[queries] = grad_scores @ key[keys]
        grad_key[keys] = grad_scores.T @ query[queries]
        grad_value[keys] = (probabilities * head.factors).T @ grad_context[queries]
    return grad_query, grad_key, grad_value


class _Head(NamedTuple):
    queries: slice
    keys: slice
    columns: slice
    factors: Array  # (queries, keys) of the dropout
    scale: float


def _heads(a: Attention, size: int) -> list[_Head]:
    heads = []
    first, width = 0, size // a.heads
    for sequence in range(len(a.query_starts) - 1):
        queries = slice(a.query_starts[sequence], a.query_starts[sequence + 1])
        keys = slice(a.key_starts[sequence], a.key_starts[sequence + 1])
        rows, columns = int(queries.stop - queries.start), int(keys.stop - keys.start)
        row_numbers = (columns + 3) // 4 * 4
        for head in range(a.heads):
            starts = [first + row * row_numbers for row in range(rows)]
            factors = np.reshape(
                [dropout_factors(start, columns, a.dropout) for start in starts], (rows, columns)
            )
            place = slice(head * width, (head + 1) * width)
            heads.append(_Head(queries, keys, place, factors, 1.0 / math.sqrt(width)))
            first += rows * row_numbers
    return heads


def _softmax(head: _Head, query: Array, key: Array) -> Array:
    scores = query[head.queries, head.columns] @ key[head.keys, head.columns].T * head.scale
    if scores.size == 0:
        return scores
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def add_norm(n: Norm, x: Array, residual: Array | None) -> tuple[Array, Array, Array]:
    """Layer norm of dropout(x) + residual, (N, D); the normalised sum, (N, D); and what it was scaled by, (N,)."""
    total = dropout(x, n.dropout) + (0.0 if residual is None else residual)
    centred = total - total.mean(1, keepdims=True)
    scales = 1.0 / np.sqrt((centred**2).mean(1) + n.epsilon)
    normal = centred * scales[:, None]
    return normal * n.gain + n.shift, normal, scales


class NormGradients(NamedTuple):
    """Gradients of `add_norm`; `x_sum` (D,) is that of a bias that was added to x."""

    x: Array
    residual: Array
    gain: Array
    shift: Array
    x_sum: Array


def add_norm_gradient(n: Norm, normal: Array, scales: Array, grad_y: Array) -> NormGradients:
    """The gradients of `add_norm`."""
    inner = grad_y * n.gain
    along = (inner * normal).mean(1, keepdims=True)
    residual = scales[:, None] * (inner - inner.mean(1, keepdims=True) - normal * along)
    x = dropout(residual, n.dropout)
    return NormGradients(x, residual, (grad_y * normal).sum(0), grad_y.sum(0), x.sum(0))


class Adam(NamedTuple):
    """One tensor of an optimizer's step."""

    value: Array
    moment1: Array
    moment2: Array


def adam_step(
    before: Adam,
    gradient: Array,
    *,
    rate: float,
    decay: float,
    betas: tuple[float, float],
    epsilon: float,
    clip: float,
    step: int,
) -> Adam:
    """AdamW with decoupled decay after `step` (from 1) steps; the gradient is clipped by value where clip is not 0."""
    gradient = np.clip(gradient, -clip, clip) if clip > 0 else gradient
    moment1 = betas[0] * before.moment1 + (1 - betas[0]) * gradient
    moment2 = betas[1] * before.moment2 + (1 - betas[1]) * gradient**2
    direction = moment1 / (1 - betas[0] ** step) / (np.sqrt(moment2 / (1 - betas[1] ** step)) + epsilon)
    return Adam(before.value * (1 - rate * decay) - rate * direction, moment1, moment2)
