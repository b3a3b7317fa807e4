"""The model's operators over packed rows: one sequence after the other, (sum of N, D), nothing padded.

Each is a pair of forward and backward over `vilbert.kernels`, recorded by a `Tape`. With `bfloat16`, products are of
bfloat16 numbers and so is what is kept for the backward pass; the residual stream, layer norms, softmax and all sums
stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import Tensor, nn

from vilbert import kernels
from vilbert.kernels import Numbers
from vilbert.matrix import Matrix
from vilbert.rows import ACTIVATIONS
from vilbert.tape import Gradients, Tape
from vilbert.views import numbers_of, tensor_over


class LoweredWeights:
    """The bfloat16 copies of weights: made when first asked for, or, unless they are kept, for each product.

    Only an optimizer that writes both may change a weight of which there is a copy: Paddle does not tell that one was
    set.
    """

    def __init__(self, *, are_kept: bool = True) -> None:
        self._are_kept = are_kept
        self._copies: dict[str, Numbers] = {}

    def of(self, weight: Tensor) -> Numbers:
        """The copy of a weight."""
        copy = self._copies.get(weight.name)
        if copy is None:
            copy = kernels.convert(weight, paddle.bfloat16)
        if self._are_kept:
            self._copies[weight.name] = copy
        return copy

    def known(self, weight: Tensor) -> Numbers | None:
        """The copy of a weight if there is one."""
        return self._copies.get(weight.name)


class Pass:
    """What both streams of one pass through the model share: precision, tape, and random numbers that never repeat."""

    def __init__(
        self,
        *,
        is_training: bool,
        lowered: LoweredWeights | None,
        seed: int = 0,
        first_stream: int = 0,
        gradients: Gradients | None = None,
        recomputes: bool = False,
    ) -> None:
        """With `gradients` a tape records where they go; one that `recomputes` keeps but the inputs of segments."""
        self.is_training = is_training
        self.recomputes = recomputes
        self._lowered = lowered
        self._seed = seed
        self.next_stream = first_stream
        self.dtype = paddle.float32 if lowered is None else paddle.bfloat16
        self._tape = None if gradients is None else Tape(gradients)

    @property
    def tape(self) -> Tape | None:
        """What records now; nothing does where Paddle would not either."""
        return self._tape if self._tape is not None and paddle.is_grad_enabled() else None

    def weight(self, linear: nn.Linear) -> Numbers:
        """A linear layer's weight (K, N) in the type of the products."""
        return linear.weight if self._lowered is None else self._lowered.of(linear.weight)

    def product(self, x: Numbers, linear: nn.Linear, dtype: paddle.dtype, *, gelu: bool = False) -> Matrix:
        """The layer's output (M, N) in `dtype` for an x (M, K) in the type of the products."""
        out = Matrix([x.shape[0], linear.weight.shape[1]], dtype)
        return kernels.matmul(x, self.weight(linear), out, bias=linear.bias, gelu=gelu)

    def dropout(self, layer: nn.Dropout | None) -> kernels.Dropout:
        """The next dropout of the network."""
        probability = float(layer.p) if layer is not None and self.is_training else 0.0
        how = kernels.Dropout(probability, self._seed, self.next_stream)
        self.next_stream += 1
        return how

    @contextmanager
    def recording_on(self, tape: Tape | None) -> Iterator[None]:
        """Lets another tape record for a while, or none."""
        before, self._tape = self._tape, tape
        try:
            yield
        finally:
            self._tape = before

    @contextmanager
    def once_more_from(self, stream: int) -> Iterator[None]:
        """Goes through the dropouts from an earlier one on again."""
        before, self.next_stream = self.next_stream, stream
        try:
            yield
        finally:
            self.next_stream = before


class PackedRows:
    """One stream: sequence b has the rows starts[b] .. starts[b + 1]."""

    def __init__(self, shared: Pass, starts: np.ndarray, positions: np.ndarray | None = None) -> None:
        self.shared = shared
        self.starts = np.ascontiguousarray(starts, np.int32)  # (B + 1,)
        self._positions = positions  # (N,) of each row in its sequence

    def embed_text(
        self, tokens: Matrix, words: nn.Embedding, positions: nn.Embedding, types: nn.Embedding
    ) -> Matrix:
        assert self._positions is not None, "only words have positions"
        places, ids = self._positions, tokens.numpy()
        tables = [numbers_of(each.weight) for each in (words, positions, types)]
        y = Matrix([len(ids), tables[0].shape[1]])
        y.numpy()[:] = tables[0][ids] + (tables[1][places] + tables[2][0])
        tape = self.shared.tape
        if tape is None:
            return y

        def backward(grads: Sequence[Matrix | None]) -> None:
            grad = _only(grads).numpy()
            is_word = ids != words._padding_idx
            for table, rows, grad_rows in (
                (words.weight, ids[is_word], grad[is_word]),
                (positions.weight, places, grad),
                (types.weight, np.zeros_like(places), grad),
            ):
                if not table.stop_gradient:
                    tape.gradients.rows(table, rows, grad_rows)

        tape.record(backward, (), (y,), (words.weight, positions.weight, types.weight))
        return y

    def embed_regions(
        self, features: Matrix, feature_linear: nn.Linear, locations: Matrix, location_linear: nn.Linear
    ) -> Matrix:
        low = kernels.convert(features, self.shared.dtype)
        y = self.shared.product(low, feature_linear, paddle.float32)
        # Always in float32: neighbouring boxes differ by less than bfloat16 can tell.
        kernels.matmul(locations, location_linear.weight, y, bias=location_linear.bias, accumulate=True)
        tape = self.shared.tape
        if tape is None:
            return y

        def backward(grads: Sequence[Matrix | None]) -> None:
            grad = _only(grads)
            tape.learn_linear(feature_linear, low, kernels.convert(grad, low.dtype))
            tape.learn_linear(location_linear, locations, grad)

        tape.record(backward, (), (y,), _parameters(feature_linear, location_linear))
        return y

    def project(self, x: Matrix, *linears: nn.Linear) -> tuple[Matrix, ...]:
        return self._project(x, linears, self.shared.dtype)

    def score(self, x: Matrix, linear: nn.Linear) -> Matrix:
        (column,) = self._project(x, [linear], paddle.float32)
        y = column.reshaped(column.shape[0])
        tape = self.shared.tape
        if tape is not None:
            source, shape = column.node, column.shape
            tape.record(lambda grads: tape.add(source, _only(grads).reshaped(*shape)), (column,), (y,))
        return y

    def _project(self, x: Matrix, linears: Sequence[nn.Linear], dtype: paddle.dtype) -> tuple[Matrix, ...]:
        shared, tape = self.shared, self.shared.tape
        low = kernels.convert(x, shared.dtype)  # (N, K)
        ys = tuple(shared.product(low, linear, dtype) for linear in linears)
        if tape is None:
            return ys
        source = x.node

        def backward(grads: Sequence[Matrix | None]) -> None:
            for linear, grad in zip(linears, grads):
                if grad is not None:
                    grad_y = kernels.convert(grad, low.dtype)
                    tape.add_product(source, grad_y, shared.weight(linear))
                    tape.learn_linear(linear, low, grad_y)

        tape.record(backward, (x,), ys, _parameters(*linears))
        return ys

    def attend(
        self, query: Matrix, key: Matrix, value: Matrix, keys: PackedRows, heads: int, dropout: nn.Dropout
    ) -> Matrix:
        tape = self.shared.tape
        how = kernels.Attention(self.starts, keys.starts, heads, self.shared.dropout(dropout))
        context, log_sums = kernels.attention(how, query, key, value)  # (N, D)
        if tape is None:
            return context

        def backward(grads: Sequence[Matrix | None]) -> None:
            gradients = kernels.attention_gradient(how, query, key, value, log_sums, _only(grads))
            for x, gradient in zip((query, key, value), gradients):
                tape.add(x.node, gradient)

        tape.record(backward, (query, key, value), (context,))
        return context

    def residual(
        self, x: Matrix, dense: nn.Linear, dropout: nn.Dropout, norm: nn.LayerNorm, residual: Matrix
    ) -> Matrix:
        shared, tape = self.shared, self.shared.tape
        low = kernels.convert(x, shared.dtype)
        out = shared.product(low, dense, paddle.float32)
        how = _norm(norm, shared.dropout(dropout))
        y, gradients_of = self._add_norm(how, out, residual, shared.dtype)
        if tape is None:
            return y
        source, residual_source = x.node, residual.node

        def backward(grads: Sequence[Matrix | None]) -> None:
            g = gradients_of(grads)
            tape.add(residual_source, g.residual)
            tape.add_product(source, g.x, shared.weight(dense))
            tape.learn_linear(dense, low, g.x, g.x_sum)

        tape.record(backward, (x, residual), (y,), (*_parameters(dense), how.gain, how.shift))
        return y

    def intermediate(self, x: Matrix, dense: nn.Linear, activation: str) -> Matrix:
        shared, tape = self.shared, self.shared.tape
        is_gelu = activation == "gelu"
        low = kernels.convert(x, shared.dtype)
        is_fused = is_gelu and not shared.is_training  # what is trained is the same, recorded or not
        before = shared.product(low, dense, shared.dtype if is_gelu else paddle.float32, gelu=is_fused)
        if is_fused:
            return before
        y = kernels.gelu(before) if is_gelu else _stock(activation, before)
        if tape is None:
            return y
        source = x.node

        def backward(grads: Sequence[Matrix | None]) -> None:
            grad = _only(grads)
            if is_gelu:
                grad_before = kernels.gelu_gradient(before, grad)
            else:
                grad_before = kernels.convert(_stock_gradient(activation, before, grad), low.dtype)
            tape.add_product(source, grad_before, shared.weight(dense))
            tape.learn_linear(dense, low, grad_before)

        tape.record(backward, (x,), (y,), _parameters(dense))
        return y

    def norm(self, x: Matrix, norm: nn.LayerNorm) -> Matrix:
        tape = self.shared.tape
        how = _norm(norm, kernels.Dropout(0.0, 0, 0))
        y, gradients_of = self._add_norm(how, x, None, paddle.float32)
        if tape is not None:
            source = x.node
            tape.record(
                lambda grads: tape.add(source, gradients_of(grads).x), (x,), (y,), (how.gain, how.shift)
            )
        return y

    def _add_norm(
        self, how: kernels.Norm, x: Matrix, residual: Matrix | None, kept_dtype: paddle.dtype
    ) -> tuple[Matrix, Callable[[Sequence[Matrix | None]], kernels.NormGradients]]:
        """Layer norm of dropout(x) + residual; and what makes its gradients, those of its own parameters learnt."""
        tape = self.shared.tape
        y, normal, scales = kernels.add_norm(how, x, residual, None if tape is None else kept_dtype)
        has_residual = residual is not None

        def gradients_of(grads: Sequence[Matrix | None]) -> kernels.NormGradients:
            assert tape is not None, "only a tape asks"
            assert normal is not None, "kept for the tape"
            assert scales is not None, "kept for the tape"
            g = kernels.add_norm_gradient(
                how, normal, scales, _only(grads), has_residual=has_residual, grad_dtype=kept_dtype
            )
            tape.learn(how.gain, g.gain)
            tape.learn(how.shift, g.shift)
            return g

        return y, gradients_of

    def dropout(self, x: Matrix, dropout: nn.Dropout) -> Matrix:
        tape = self.shared.tape
        how = self.shared.dropout(dropout)
        if not how.probability:
            return x
        y = kernels.dropout(x, how)
        if tape is not None:
            source = x.node
            tape.record(lambda grads: tape.add(source, kernels.dropout(_only(grads), how)), (x,), (y,))
        return y

    def unshared(self, x: Matrix) -> tuple[Matrix, PackedRows]:
        return x, self

    def after_meeting(self) -> PackedRows:
        return self

    def segment(self, layer: nn.Layer, function: Callable[..., Matrix], *inputs: Matrix) -> Matrix:
        shared, tape = self.shared, self.shared.tape
        if tape is None or not shared.recomputes:
            return function(*inputs)
        stream = shared.next_stream
        with shared.recording_on(None):
            y = function(*inputs)

        def backward(grads: Sequence[Matrix | None]) -> None:
            part = Tape(tape.gradients)
            with shared.recording_on(part), shared.once_more_from(stream):
                again = function(*inputs)
            part.backward(again, _only(grads))

        tape.record(backward, inputs, (y,), layer.parameters())
        return y


class SharedRows(PackedRows):
    """The regions of images before the first meeting, where all expressions of an image still see the same.

    Until then a stream has the rows of each image once; what leaves this form has those of each expression. For
    passes that record nothing.
    """

    def __init__(self, shared: Pass, starts: np.ndarray, places: np.ndarray) -> None:
        """`starts` are those of the expressions; `places` (N,) says which of the images' rows each row is."""
        super().__init__(shared, starts)
        self._places = places

    def project(self, x: Matrix, *linears: nn.Linear) -> tuple[Matrix, ...]:
        return tuple(map(self._spread, super().project(x, *linears)))

    def residual(
        self, x: Matrix, dense: nn.Linear, dropout: nn.Dropout, norm: nn.LayerNorm, residual: Matrix
    ) -> Matrix:
        return super().residual(x, dense, dropout, norm, self._spread(residual))

    def unshared(self, x: Matrix) -> tuple[Matrix, PackedRows]:
        return self._spread(x), self.after_meeting()

    def after_meeting(self) -> PackedRows:
        return PackedRows(self.shared, self.starts)

    def _spread(self, x: Matrix) -> Matrix:
        y = Matrix([len(self._places), x.shape[1]], x.dtype)
        np.take(x.numpy(), self._places, axis=0, out=y.numpy(), mode="clip")
        return y


def _only(grads: Sequence[Matrix | None]) -> Matrix:
    (grad,) = grads
    assert grad is not None, "the tape asks for no gradient without one"
    return grad


def _parameters(*linears: nn.Linear) -> list[Tensor]:
    return [parameter for linear in linears for parameter in (linear.weight, linear.bias)]


def _norm(layer: nn.LayerNorm, dropout: kernels.Dropout) -> kernels.Norm:
    assert layer.weight is not None, "every layer norm here has both"
    assert layer.bias is not None, "every layer norm here has both"
    return kernels.Norm(layer.weight, layer.bias, layer._epsilon, dropout)


def _stock(activation: str, before: Matrix) -> Matrix:
    """An activation for which there is no kernel."""
    return Matrix.over(ACTIVATIONS[activation](tensor_over(before.numpy())).numpy())


def _stock_gradient(activation: str, before: Matrix, grad: Matrix) -> Matrix:
    """Its gradient."""
    x = tensor_over(before.numpy())
    x.stop_gradient = False
    ACTIVATIONS[activation](x).backward(tensor_over(grad.float32()))
    assert x.grad is not None, "an activation has a gradient"
    return Matrix.over(x.grad.numpy())
