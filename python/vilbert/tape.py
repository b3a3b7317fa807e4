"""The backward pass over the kernels: what was computed, in its order, and how its gradients are made.

Paddle's own way of recording took a small model as long as computing did. Here an operator is one entry, a gradient
that has several sources is added up where it lies, and a part of the network can be computed twice instead of kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import paddle
from paddle import Tensor, nn

from vilbert import kernels
from vilbert.kernels import Numbers
from vilbert.matrix import Matrix
from vilbert.views import tensor_over


class Gradients(Protocol):
    """Where the gradients of parameters go."""

    def product(self, weight: Tensor, x: Numbers, grad_y: Numbers) -> None:
        """That of a weight (K, N): x^T grad_y."""
        ...

    def whole(self, parameter: Tensor, gradient: Matrix) -> None:
        """That of a parameter, which nobody else writes."""
        ...

    def rows(self, table: Tensor, rows: np.ndarray, grad_rows: np.ndarray) -> None:
        """That of a table (P, D), zero but for some rows; a row may come more than once."""
        ...

    def finish(self) -> None:
        """Nothing comes any more: what is still here goes to the parameters."""
        ...


class SummedGradients:
    """Adds gradients up, those of several passes too."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, Matrix]] = {}  # parameter and gradient, by Paddle's name

    def product(self, weight: Tensor, x: Numbers, grad_y: Numbers) -> None:
        """Added in the product itself."""
        is_there = weight.name in self._sums
        gradient = self._sums[weight.name][1] if is_there else Matrix(weight.shape)
        kernels.matmul(x, grad_y, gradient, left_transposed=True, accumulate=is_there)
        self._sums[weight.name] = weight, gradient

    def whole(self, parameter: Tensor, gradient: Matrix) -> None:
        """Added in place."""
        if parameter.name in self._sums:
            gradient = _sum(self._sums[parameter.name][1], gradient)
        self._sums[parameter.name] = parameter, gradient

    def rows(self, table: Tensor, rows: np.ndarray, grad_rows: np.ndarray) -> None:
        """Added to the rows of a gradient of the table's size."""
        if table.name not in self._sums:
            self._sums[table.name] = table, Matrix.over(np.zeros(table.shape, np.float32))
        places, sums = sums_of_rows(rows, grad_rows)
        self._sums[table.name][1].numpy()[places] += sums

    def finish(self) -> None:
        """Makes each sum its parameter's `grad`."""
        for parameter, gradient in self._sums.values():
            parameter.grad = tensor_over(gradient.numpy())
        self._sums.clear()


# A weight of fewer numbers waits for others: calling the optimizer costs as much as changing so many.
SMALL = 2**16


class GradientUse(Protocol):
    """What puts gradients to use before the end of a step."""

    def take(self, gradients: Iterable[tuple[Tensor, Numbers]]) -> None:
        """Parameters with their gradients."""
        ...

    def take_rows(self, table: Tensor, rows: np.ndarray, gradients: np.ndarray) -> None:
        """A table (P, D) whose gradient is zero but for some different rows (N,) of ascending numbers: (N, D)."""
        ...


class GradientsAtOnce:
    """Puts gradients to use in the middle of a backward pass.

    So those of all weights are never in memory together, nor asked of the system anew in every step. The pass must be
    the step's only one, and use each weight once.
    """

    def __init__(self, use: GradientUse) -> None:
        self._use = use
        self._waiting: list[tuple[Tensor, Matrix]] = []
        self._room = np.empty(0, np.float32)  # for one gradient of a large weight after the other

    def product(self, weight: Tensor, x: Numbers, grad_y: Numbers) -> None:
        """Of large weights, the next one is made in the same place."""
        shape = weight.shape
        size = math.prod(shape)
        if size < SMALL:
            gradient = Matrix(shape)
            self._waiting.append((weight, kernels.matmul(x, grad_y, gradient, left_transposed=True)))
            return
        if self._room.size < size:
            self._room = np.empty(size, np.float32)
        gradient = Matrix.over(self._room[:size].reshape(shape))
        self._use.take([(weight, kernels.matmul(x, grad_y, gradient, left_transposed=True))])

    def whole(self, parameter: Tensor, gradient: Matrix) -> None:
        """Used with others, at the end."""
        self._waiting.append((parameter, gradient))

    def rows(self, table: Tensor, rows: np.ndarray, grad_rows: np.ndarray) -> None:
        """Used as they are: most rows of a table are of words that the batch does not have."""
        self._use.take_rows(table, *sums_of_rows(rows, grad_rows))

    def finish(self) -> None:
        """Uses what has waited."""
        self._use.take(self._waiting)
        self._waiting = []


def sums_of_rows(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different numbers in `rows` (N,), and of each the sum of its `values` (N, D), in their order."""
    if len(rows) == 0:
        return rows, values
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    return rows[order][starts], np.add.reduceat(values[order], starts, axis=0)


Backward = Callable[[Sequence["Matrix | None"]], None]


class Node:
    """A matrix whose gradient is of use, without its numbers: what no backward pass reads is free to go before."""

    __slots__ = ("dtype", "gradient", "shape")

    def __init__(self, x: Matrix) -> None:
        self.shape, self.dtype = x.shape, x.dtype
        self.gradient: Matrix | None = None

    def take(self) -> Matrix | None:
        """The gradient, which is not needed here any more."""
        gradient, self.gradient = self.gradient, None
        return gradient


class Entry(NamedTuple):
    """One operator: takes the gradients of its outputs, gives those of its inputs to the tape."""

    outputs: tuple[Node, ...]
    backward: Backward


class Tape:
    """What was computed of which tensors, to be gone through backwards once."""

    def __init__(self, gradients: Gradients) -> None:
        self.gradients = gradients
        self._entries: list[Entry] = []

    def record(
        self,
        backward: Backward,
        inputs: tuple[Matrix, ...],
        outputs: tuple[Matrix, ...],
        parameters: Iterable[Tensor] = (),
    ) -> None:
        """Notes an operator unless nothing before it learns. What `backward` holds is kept until it has run."""
        if all(x.node is None for x in inputs) and all(each.stop_gradient for each in parameters):
            return
        nodes = tuple(map(Node, outputs))
        for y, node in zip(outputs, nodes):
            y.node = node
        self._entries.append(Entry(nodes, backward))

    def add(self, x: Node | None, gradient: Matrix | None) -> None:
        """Adds to the gradient of a matrix, if that is of use; the tape then owns what it is given."""
        if gradient is None or x is None:
            return
        if x.gradient is None:
            x.gradient = gradient
        else:
            x.gradient = _sum(x.gradient, gradient)

    def add_product(self, x: Node | None, grad_y: Numbers, weight: Numbers) -> None:
        """Adds grad_y (M, N) x weight^T (N, K) to the gradient of a matrix (M, K), in the product itself."""
        if x is None:
            return
        is_there = x.gradient is not None
        gradient = Matrix(x.shape, x.dtype) if x.gradient is None else x.gradient
        x.gradient = kernels.matmul(grad_y, weight, gradient, right_transposed=True, accumulate=is_there)

    def learn_linear(
        self, linear: nn.Linear, x: Numbers, grad_y: Numbers, grad_bias: Matrix | None = None
    ) -> None:
        """The gradients of weight (K, N) and bias (N) of y = x W + b; nothing is computed for what is frozen.

        W may change in here.
        """
        weight, bias = linear.weight, linear.bias
        if not weight.stop_gradient:
            self.gradients.product(weight, x, grad_y)
        if not bias.stop_gradient:
            self.gradients.whole(bias, kernels.column_sums(grad_y) if grad_bias is None else grad_bias)

    def learn(self, parameter: Tensor, gradient: Matrix) -> None:
        """The gradient of a parameter, unless that is frozen."""
        if not parameter.stop_gradient:
            self.gradients.whole(parameter, gradient)

    def backward(self, y: Matrix, gradient: Matrix) -> None:
        """Goes from the gradient of the last output back to all parameters; forgets what was recorded."""
        self.add(y.node, gradient)
        while self._entries:
            outputs, backward = self._entries.pop()
            found = [output.take() for output in outputs]
            if any(each is not None for each in found):
                backward(found)


def _sum(a: Matrix, b: Matrix) -> Matrix:
    """Of two of one type; float32 is added up in the first."""
    if a.dtype == paddle.float32:
        total = a.numpy()
        total += b.numpy()
        return a
    return kernels.convert(Matrix.over(a.float32() + b.float32()), a.dtype)
