"""The model's operators over packed rows: one sequence after the other, (sum of N, D), nothing padded.

Each is a pair of forward and backward over `vilbert.kernels`. With `bfloat16`, products are of bfloat16 numbers and
so is what is kept for the backward pass; the residual stream, layer norms, softmax and all sums stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from vilbert import kernels
from vilbert.rows import ACTIVATIONS
from vilbert.views import numbers_of


class LoweredWeights:
    """The bfloat16 copies of weights, made when first asked for.

    Only an optimizer that writes both may change a weight after that: Paddle does not tell that one was set.
    """

    def __init__(self) -> None:
        self._copies: dict[str, Tensor] = {}

    def of(self, weight: Tensor) -> Tensor:
        """The copy of a weight."""
        if weight.name not in self._copies:
            self._copies[weight.name] = kernels.convert(weight.detach(), paddle.bfloat16)
        return self._copies[weight.name]

    def known(self, weight: Tensor) -> Tensor | None:
        """The copy of a weight if there is one."""
        return self._copies.get(weight.name)


class AtOnce:
    """Puts the gradient of a weight to use as soon as it is there, in the middle of a backward pass.

    So the gradients of all weights are never in memory together, nor asked of the system anew in every step. The pass
    must be the step's only one, and use each weight once.
    """

    def __init__(self, use: Callable[[Tensor, Tensor], None]) -> None:
        self._use = use  # takes a weight and its gradient
        self._gradients: dict[tuple[int, ...], Tensor] = {}
        self._row_gradients: dict[str, Tensor] = {}

    def use_product(self, weight: Tensor, x: Tensor, grad_y: Tensor) -> None:
        """The gradient of a weight (K, N) is x^T grad_y; the next one of its shape is made in the same place."""
        shape = tuple(weight.shape)
        if shape not in self._gradients:
            self._gradients[shape] = paddle.empty(shape, "float32")
        self._use(weight, kernels.matmul(x, grad_y, self._gradients[shape], left_transposed=True))

    def use_rows(self, table: Tensor, rows: np.ndarray, grad_rows: np.ndarray) -> None:
        """The gradient of a table (P, D) is zero but for some rows; a row may come more than once."""
        if table.name not in self._row_gradients:
            self._row_gradients[table.name] = paddle.zeros(table.shape, "float32")
        gradient = self._row_gradients[table.name]
        numbers = numbers_of(gradient)
        np.add.at(numbers, rows, grad_rows)
        self._use(table, gradient)
        numbers[rows] = 0


class Pass:
    """What both streams of one pass through the model share: precision, and random numbers that never repeat."""

    def __init__(
        self,
        *,
        is_training: bool,
        lowered: LoweredWeights | None,
        seed: int = 0,
        first_stream: int = 0,
        at_once: AtOnce | None = None,
    ) -> None:
        self.is_training = is_training
        self.at_once = at_once
        self._lowered = lowered
        self._seed = seed
        self.next_stream = first_stream
        self.dtype = paddle.float32 if lowered is None else paddle.bfloat16

    def weight(self, linear: nn.Linear) -> Tensor:
        """A linear layer's weight (K, N) in the type of the products."""
        weight = linear.weight
        return weight.detach() if self._lowered is None else self._lowered.of(weight)

    def dropout(self, layer: nn.Dropout | None) -> kernels.Dropout:
        """The next dropout of the network."""
        probability = float(layer.p) if layer is not None and self.is_training else 0.0
        how = kernels.Dropout(probability, self._seed, self.next_stream)
        self.next_stream += 1
        return how


class PackedRows:
    """One stream: sequence b has the rows starts[b] .. starts[b + 1]."""

    def __init__(self, shared: Pass, starts: np.ndarray, positions: Tensor | None = None) -> None:
        self.shared = shared
        self.starts = np.ascontiguousarray(starts, np.int32)  # (B + 1,)
        self._positions = positions  # (N,) of each row in its sequence

    def embed_words(self, tokens: Tensor, table: nn.Embedding) -> Tensor:
        if self.shared.at_once is None or table.weight.stop_gradient:
            return table(tokens)
        return _EmbedWords.apply(table.weight, self.shared.at_once, tokens, table)

    def embed_positions(self, table: Tensor) -> Tensor:
        assert self._positions is not None, "only words have positions"
        return nn.functional.embedding(self._positions, table)  # (N, D)

    def linear(self, x: Tensor, linear: nn.Linear) -> Tensor:
        (y,) = _Project.apply(x, self.shared, paddle.float32, [linear], *_parameters([linear]))
        return y

    def project(self, x: Tensor, *linears: nn.Linear) -> tuple[Tensor, ...]:
        return _Project.apply(x, self.shared, self.shared.dtype, linears, *_parameters(linears))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, keys: PackedRows, heads: int, dropout: nn.Dropout
    ) -> Tensor:
        how = kernels.Attention(self.starts, keys.starts, heads, self.shared.dropout(dropout))
        return _Attend.apply(query, key, value, how)

    def residual(
        self, x: Tensor, dense: nn.Linear, dropout: nn.Dropout, norm: nn.LayerNorm, residual: Tensor
    ) -> Tensor:
        parameters = (dense.weight, dense.bias, norm.weight, norm.bias)
        return _Residual.apply(
            x, residual, self.shared, dense, norm, self.shared.dropout(dropout), *parameters
        )

    def intermediate(self, x: Tensor, dense: nn.Linear, activation: str) -> Tensor:
        if activation == "gelu":
            return _Intermediate.apply(x, self.shared, dense, dense.weight, dense.bias)
        return ACTIVATIONS[activation](self.linear(x, dense))

    def norm(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return _Norm.apply(x, self.shared, norm, norm.weight, norm.bias)

    def dropout(self, x: Tensor, dropout: nn.Dropout) -> Tensor:
        how = self.shared.dropout(dropout)
        return _Dropout.apply(x, how) if how.probability else x


def _parameters(linears: Sequence[nn.Linear]) -> list[Tensor]:
    return [parameter for linear in linears for parameter in (linear.weight, linear.bias)]


def _norm(layer: nn.LayerNorm, dropout: kernels.Dropout) -> kernels.Norm:
    assert layer.weight is not None, "every layer norm here has both"
    assert layer.bias is not None, "every layer norm here has both"
    return kernels.Norm(layer.weight, layer.bias, layer._epsilon, dropout)


def _product_gradients(
    shared: Pass, x: Tensor, grad_y: Tensor, linear: nn.Linear, grad_bias: Tensor | None = None
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of weight (K, N) and bias (N) of y = x W + b; nothing is computed for what is frozen.

    Where gradients are used at once, W has changed afterwards and Paddle gets none for it.
    """
    weight, bias = linear.weight, linear.bias
    grad_weight = None
    if not weight.stop_gradient and shared.at_once is not None:
        shared.at_once.use_product(weight, x, grad_y)
    elif not weight.stop_gradient:
        grad_weight = kernels.matmul(x, grad_y, paddle.empty(weight.shape, "float32"), left_transposed=True)
    if bias.stop_gradient:
        return grad_weight, None
    return grad_weight, kernels.column_sums(grad_y) if grad_bias is None else grad_bias


def _wants(ctx: Any, *inputs: Tensor | None) -> None:
    ctx.wanted = [each is not None and not each.stop_gradient for each in inputs]


def _wanted(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
    """Paddle insists on None for what is frozen."""
    return tuple(gradient if wanted else None for gradient, wanted in zip(gradients, ctx.wanted))


class _EmbedWords(PyLayer):
    """With the gradient used at once: of the 94 MB that Paddle makes of it, all but a few rows are zero."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, at_once: AtOnce, tokens: Tensor, table: nn.Embedding) -> Tensor:
        ctx.weight, ctx.at_once, ctx.tokens, ctx.padding = weight, at_once, tokens, table._padding_idx
        return table(tokens)  # (N, D)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        tokens = ctx.tokens.numpy()
        is_word = tokens != ctx.padding
        ctx.at_once.use_rows(ctx.weight, tokens[is_word], numbers_of(grad)[is_word])


class _Project(PyLayer):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, shared: Pass, out_dtype: paddle.dtype, linears: Sequence[nn.Linear], *_: Tensor
    ) -> tuple[Tensor, ...]:
        low = kernels.convert(x, shared.dtype)  # (N, K)
        ctx.needs_x, ctx.x_dtype, ctx.shared, ctx.linears = not x.stop_gradient, x.dtype, shared, linears
        ctx.save_for_backward(low)
        return tuple(
            kernels.matmul(
                low,
                shared.weight(linear),
                paddle.empty([x.shape[0], linear.weight.shape[1]], out_dtype),
                bias=linear.bias,
            )
            for linear in linears
        )

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,) = ctx.saved_tensor()
        grad_x = paddle.empty(x.shape, ctx.x_dtype) if ctx.needs_x else None
        gradients: list[Tensor | None] = []
        for place, (linear, grad_y) in enumerate(zip(ctx.linears, grads)):
            grad_y = kernels.convert(grad_y, ctx.shared.dtype)
            if grad_x is not None:
                weight = ctx.shared.weight(linear)
                kernels.matmul(grad_y, weight, grad_x, right_transposed=True, accumulate=place > 0)
            gradients.extend(_product_gradients(ctx.shared, x, grad_y, linear))
        return (grad_x, *gradients)


class _Attend(PyLayer):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, how: kernels.Attention) -> Tensor:
        context, log_sums = kernels.attention(how, query, key, value)
        _wants(ctx, query, key, value)
        ctx.how = how
        ctx.save_for_backward(query, key, value, log_sums)
        return context  # (N, D)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        query, key, value, log_sums = ctx.saved_tensor()
        return _wanted(ctx, *kernels.attention_gradient(ctx.how, query, key, value, log_sums, *grads))


class _Residual(PyLayer):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor,
        shared: Pass,
        dense: nn.Linear,
        norm: nn.LayerNorm,
        dropout: kernels.Dropout,
        *_: Tensor,
    ) -> Tensor:
        low = kernels.convert(x, shared.dtype)
        out = paddle.empty([x.shape[0], dense.weight.shape[1]], "float32")
        kernels.matmul(low, shared.weight(dense), out, bias=dense.bias)
        how = _norm(norm, dropout)
        y, normal, scales = kernels.add_norm(how, out, residual, shared.dtype if shared.is_training else None)
        _wants(ctx, x, residual, dense.weight, dense.bias, norm.weight, norm.bias)
        ctx.shared, ctx.dense, ctx.how = shared, dense, how
        ctx.x_dtype = x.dtype
        ctx.save_for_backward(low, normal, scales)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, normal, scales = ctx.saved_tensor()
        g = kernels.add_norm_gradient(
            ctx.how, normal, scales, *grads, has_residual=True, grad_dtype=ctx.shared.dtype
        )
        weight = ctx.shared.weight(ctx.dense)
        grad_x = kernels.matmul(g.x, weight, paddle.empty(x.shape, ctx.x_dtype), right_transposed=True)
        grad_weight, grad_bias = _product_gradients(ctx.shared, x, g.x, ctx.dense, g.x_sum)
        return _wanted(ctx, grad_x, g.residual, grad_weight, grad_bias, g.gain, g.shift)


class _Intermediate(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shared: Pass, dense: nn.Linear, *_: Tensor) -> Tensor:
        low = kernels.convert(x, shared.dtype)
        before = paddle.empty([x.shape[0], dense.weight.shape[1]], shared.dtype)
        kernels.matmul(low, shared.weight(dense), before, bias=dense.bias, gelu=not shared.is_training)
        if not shared.is_training:
            return before
        _wants(ctx, x, dense.weight, dense.bias)
        ctx.shared, ctx.dense, ctx.x_dtype = shared, dense, x.dtype
        ctx.save_for_backward(low, before)
        return kernels.gelu(before)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, before = ctx.saved_tensor()
        grad_before = kernels.gelu_gradient(before, *grads)
        weight = ctx.shared.weight(ctx.dense)
        grad_x = kernels.matmul(
            grad_before, weight, paddle.empty(x.shape, ctx.x_dtype), right_transposed=True
        )
        return _wanted(ctx, grad_x, *_product_gradients(ctx.shared, x, grad_before, ctx.dense))


class _Norm(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shared: Pass, norm: nn.LayerNorm, *_: Tensor) -> Tensor:
        how = _norm(norm, kernels.Dropout(0.0, 0, 0))
        y, normal, scales = kernels.add_norm(how, x, None, paddle.float32 if shared.is_training else None)
        _wants(ctx, x, norm.weight, norm.bias)
        ctx.how = how
        ctx.save_for_backward(normal, scales)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        normal, scales = ctx.saved_tensor()
        g = kernels.add_norm_gradient(
            ctx.how, normal, scales, *grads, has_residual=False, grad_dtype=paddle.float32
        )
        return _wanted(ctx, g.x, g.gain, g.shift)


class _Dropout(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: Tensor, how: kernels.Dropout) -> Tensor:
        ctx.how = how
        return kernels.dropout(x, how)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        return kernels.dropout(grad, ctx.how)
