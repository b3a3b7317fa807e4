"""How the rows of a stream lie in memory, and the operators that depend on it: padded, by Paddle's own operators.

`vilbert.packed` has the same operators over rows without padding. A layer of the model names what it computes; the
rows that it is given compute it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute

MASKED = -10000.0  # added to the scores and logits of padding
ACTIVATIONS = {"gelu": F.gelu, "relu": F.relu, "swish": F.swish}

X = TypeVar("X")
Self = TypeVar("Self")


class Rows(Protocol[X, Self]):
    """The operators of one stream, (…, D) float32 in and out: tensors of Paddle, or matrices of the kernels."""

    def embed_text(self, tokens: X, words: nn.Embedding, positions: nn.Embedding, types: nn.Embedding) -> X:
        """Sum of the rows of the three tables for tokens, which are all of type 0."""
        ...

    def embed_regions(
        self, features: X, feature_linear: nn.Linear, locations: X, location_linear: nn.Linear
    ) -> X:
        """Sum of the projections of features and of locations."""
        ...

    def project(self, x: X, *linears: nn.Linear) -> tuple[X, ...]:
        """Several linear layers of one input, for `attend`."""
        ...

    def attend(self, query: X, key: X, value: X, keys: Self, heads: int, dropout: nn.Dropout) -> X:
        """Multi-head attention of these rows' queries over the keys and values of others (or the same)."""
        ...

    def residual(self, x: X, dense: nn.Linear, dropout: nn.Dropout, norm: nn.LayerNorm, residual: X) -> X:
        """Layer norm of dropout(dense(x)) + residual."""
        ...

    def intermediate(self, x: X, dense: nn.Linear, activation: str) -> X:
        """A linear layer and its activation."""
        ...

    def norm(self, x: X, norm: nn.LayerNorm) -> X:
        """Layer norm."""
        ...

    def dropout(self, x: X, dropout: nn.Dropout) -> X:
        """Dropout."""
        ...

    def score(self, x: X, linear: nn.Linear) -> X:
        """The one number (…) that a linear layer makes of each row."""
        ...

    def unshared(self, x: X) -> tuple[X, Self]:
        """The stream with rows of each expression, where those of an image were shared; and these rows."""
        ...

    def after_meeting(self) -> Self:
        """The rows of what a meeting with the other stream gives: it shares none."""
        ...

    def segment(self, layer: nn.Layer, function: Callable[..., X], *inputs: X) -> X:
        """What a function of a layer makes of inputs: a part of the network that may be computed twice, to keep less."""
        ...


class PaddedRows:
    """Rows (B, N, D), padded where `mask` (B, N) is 0; without padding there is no mask."""

    def __init__(self, length: int, mask: Tensor | None, *, recomputes: bool = False) -> None:
        """Rows that `recomputes` keep but the inputs of segments for the backward pass."""
        self._length = length
        self._recomputes = recomputes
        self.score_bias = None if mask is None else ((1.0 - mask) * MASKED).unsqueeze([1, 2])  # (B, 1, 1, N)

    def embed_text(
        self, tokens: Tensor, words: nn.Embedding, positions: nn.Embedding, types: nn.Embedding
    ) -> Tensor:
        """(B, N, D) of tokens (B, N)."""
        return words(tokens) + (positions.weight[: self._length] + types.weight[0])  # (B, N, D)

    def embed_regions(
        self, features: Tensor, feature_linear: nn.Linear, locations: Tensor, location_linear: nn.Linear
    ) -> Tensor:
        """(B, N, D) of features (B, N, K) and locations (B, N, 5)."""
        return feature_linear(features) + location_linear(locations)  # (B, N, D)

    def project(self, x: Tensor, *linears: nn.Linear) -> tuple[Tensor, ...]:
        """One result (B, N, D) for each linear layer."""
        return tuple(linear(x) for linear in linears)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, keys: PaddedRows, heads: int, dropout: nn.Dropout
    ) -> Tensor:
        """Softmax of scaled products, with `keys` that are padding pushed down; (B, N, D)."""
        size = query.shape[2] // heads
        query = query.reshape([0, 0, heads, size]).transpose([0, 2, 1, 3])  # (B, H, N, D/H)
        key = key.reshape([0, 0, heads, size]).transpose([0, 2, 1, 3])  # (B, H, M, D/H)
        value = value.reshape([0, 0, heads, size]).transpose([0, 2, 1, 3])  # (B, H, M, D/H)
        scores = paddle.matmul(query * size**-0.5, key, transpose_y=True)  # (B, H, N, M)
        if keys.score_bias is not None:
            scores = scores + keys.score_bias
        context = paddle.matmul(dropout(F.softmax(scores)), value)  # (B, H, N, D/H)
        return context.transpose([0, 2, 1, 3]).reshape([0, 0, heads * size])  # (B, N, D)

    def residual(
        self, x: Tensor, dense: nn.Linear, dropout: nn.Dropout, norm: nn.LayerNorm, residual: Tensor
    ) -> Tensor:
        """Layer norm of dropout(dense(x)) + residual; (B, N, D)."""
        return norm(dropout(dense(x)) + residual)

    def intermediate(self, x: Tensor, dense: nn.Linear, activation: str) -> Tensor:
        """A linear layer and its activation, one of `ACTIVATIONS`; (B, N, K) to (B, N, D)."""
        return ACTIVATIONS[activation](dense(x))

    def norm(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        """Layer norm; (B, N, D) in and out."""
        return norm(x)

    def dropout(self, x: Tensor, dropout: nn.Dropout) -> Tensor:
        """Dropout; (B, N, D) in and out."""
        return dropout(x)

    def score(self, x: Tensor, linear: nn.Linear) -> Tensor:
        """The only output of a linear layer; (B, N, D) to (B, N)."""
        return linear(x).squeeze(-1)

    def unshared(self, x: Tensor) -> tuple[Tensor, PaddedRows]:
        """What is padded is never shared."""
        return x, self

    def after_meeting(self) -> PaddedRows:
        """These rows."""
        return self

    def segment(self, layer: nn.Layer, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """The function of the inputs, by hooks in the same graph: as an operator of its own it would sum up in another order."""
        learns = paddle.is_grad_enabled() and not all(each.stop_gradient for each in inputs)
        if not (self._recomputes and learns):
            return function(*inputs)
        return recompute(function, *inputs, use_reentrant=False)
