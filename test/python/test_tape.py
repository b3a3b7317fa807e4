"""The tape of the kernels' backward pass: what it adds up, and what it leaves out."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn
from vilbert import kernels
from vilbert.matrix import Matrix
from vilbert.packed import PackedRows, Pass
from vilbert.tape import SummedGradients, sums_of_rows
from vilbert.views import tensor_over

pytestmark = pytest.mark.skipif(not kernels.are_available(), reason="the kernels are not built")


def ones(like: Matrix) -> Matrix:
    return Matrix.over(np.ones(like.shape, np.float32))


def gradient_of(linear: nn.Linear) -> np.ndarray:
    assert linear.weight.grad is not None
    return linear.weight.grad.numpy()


@pytest.mark.parametrize("count", [0, 1, 50])
def test_rows_that_come_more_than_once_are_summed(count: int) -> None:
    random = np.random.default_rng(1)
    rows = random.integers(0, 7, count)
    values = random.standard_normal((count, 3)).astype(np.float32)
    wanted = np.zeros((7, 3), np.float32)
    np.add.at(wanted, rows, values)
    places, sums = sums_of_rows(rows, values)
    assert places.tolist() == sorted(set(rows.tolist()))
    found = np.zeros((7, 3), np.float32)
    found[places] = sums
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_an_input_of_several_operators_gets_the_sum_of_their_gradients() -> None:
    first, second, third = (nn.Linear(4, 4) for _ in range(3))
    x = Matrix.over(np.random.default_rng(2).standard_normal((32, 4)).astype(np.float32))
    shared = Pass(is_training=True, lowered=None, gradients=SummedGradients())
    rows = PackedRows(shared, np.array([0, 32]))
    (middle,) = rows.project(x, first)
    left, right = rows.project(middle, second, third)
    last = rows.attend(left, right, middle, rows, 1, nn.Dropout(0.0))
    assert shared.tape is not None
    shared.tape.backward(last, ones(last))
    shared.tape.gradients.finish()
    found = [gradient_of(each).copy() for each in (first, second, third)]

    for each in (first, second, third):
        each.clear_gradients()
    wanted_middle = first(tensor_over(x.numpy()))
    scores = second(wanted_middle) @ third(wanted_middle).T / 2
    (nn.functional.softmax(scores) @ wanted_middle).sum().backward()
    for each, gradient in zip((first, second, third), found):
        np.testing.assert_allclose(gradient, gradient_of(each), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_an_activation_without_a_kernel_has_its_gradient(activation: str) -> None:
    dense = nn.Linear(4, 6)
    x = Matrix.over(np.random.default_rng(3).standard_normal((32, 4)).astype(np.float32))
    shared = Pass(is_training=True, lowered=None, gradients=SummedGradients())
    y = PackedRows(shared, np.array([0, 32])).intermediate(x, dense, activation)
    assert shared.tape is not None
    shared.tape.backward(y, ones(y))
    shared.tape.gradients.finish()
    found = gradient_of(dense).copy()
    dense.clear_gradients()
    {"relu": nn.functional.relu, "swish": nn.functional.swish}[activation](
        dense(tensor_over(x.numpy()))
    ).sum().backward()
    np.testing.assert_allclose(found, gradient_of(dense), rtol=1e-5, atol=1e-5)


def test_nothing_is_recorded_of_what_learns_nothing() -> None:
    frozen, free = nn.Linear(4, 4), nn.Linear(4, 4)
    for parameter in frozen.parameters():
        parameter.stop_gradient = True
    x = Matrix.over(np.ones((32, 4), np.float32))
    shared = Pass(is_training=True, lowered=None, gradients=SummedGradients())
    rows = PackedRows(shared, np.array([0, 32]))
    (middle,) = rows.project(x, frozen)
    with paddle.no_grad():
        (unseen,) = rows.project(middle, free)
    (last,) = rows.project(middle, free)
    assert shared.tape is not None
    assert [each.node is not None for each in (x, middle, unseen, last)] == [False, False, False, True]
    shared.tape.backward(last, ones(last))
    shared.tape.gradients.finish()
    assert frozen.weight.grad is None
    np.testing.assert_allclose(gradient_of(free), middle.numpy().T @ np.ones((32, 4), np.float32), rtol=1e-5)
