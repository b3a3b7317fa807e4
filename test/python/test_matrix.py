"""The matrices between kernels: their memory, and calls that wait until somebody looks at the numbers."""

from __future__ import annotations

import gc

import numpy as np
import paddle
import pytest
from vilbert import calls, kernels
from vilbert.matrix import CACHE_LINE_BYTES, MOST_KEPT_BYTES, Matrix

pytestmark = pytest.mark.skipif(not kernels.are_available(), reason="the kernels are not built")

LARGE = MOST_KEPT_BYTES // 4 + 1  # float32 numbers of a matrix whose memory is not kept


def over(*numbers: float) -> Matrix:
    return Matrix.over(np.array([numbers], np.float32))


def doubled(x: Matrix) -> Matrix:
    """2 x, by a product with a matrix that nobody holds any more."""
    twice = Matrix.over(2 * np.eye(x.shape[1], dtype=np.float32))
    return kernels.matmul(x, twice, Matrix(x.shape))


@pytest.mark.parametrize("count", [0, 1, 5, LARGE])
def test_a_matrix_begins_at_a_cache_line_and_has_memory_of_its_own(count: int) -> None:
    first, second = Matrix([count]), Matrix([count])
    assert first.address % CACHE_LINE_BYTES == 0
    assert count == 0 or first.address != second.address
    first.numpy()[...] = 1
    second.numpy()[...] = 2
    assert (first.numpy() == 1).all()


def test_small_memory_is_used_again_and_views_keep_it() -> None:
    gc.collect()  # nothing else gives memory back in between
    matrix = Matrix([3, 1000])
    matrix.numpy()[...] = 7
    address, view, array = matrix.address, matrix.reshaped(3000), matrix.numpy()
    del matrix
    other = Matrix([3, 1000])
    assert other.address != address
    other.numpy()[...] = 8
    assert (view.numpy() == 7).all()
    assert (array == 7).all()
    del view, array
    assert Matrix([2, 1500]).address == address


def test_an_array_is_taken_where_it_lies_and_bfloat16_widened() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    matrix = Matrix.over(array)
    assert matrix.address == array.ctypes.data
    low = kernels.convert(matrix, paddle.bfloat16)
    assert low.numpy().dtype == np.uint16
    np.testing.assert_array_equal(low.float32(), array)


def test_calls_wait_until_somebody_looks() -> None:
    with kernels.together():
        x = over(1, 2, 3)
        y = doubled(doubled(x))
        x.numpy()[...] = 5  # runs what waits first
        z = doubled(y)
        np.testing.assert_array_equal(z.numpy(), [[8, 16, 24]])
        last = doubled(z)
    np.testing.assert_array_equal(last.numpy(), [[16, 32, 48]])


def test_memory_that_is_given_up_lasts_for_the_calls_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_WAITING", 10**6)
    random = np.random.default_rng(3)
    start = random.standard_normal((700, 700)).astype(np.float32)  # more than is kept
    with kernels.together():
        x = Matrix.over(start.copy())
        for _ in range(5):
            x = kernels.gelu(x)
        small = over(1, 1)
        for _ in range(100):
            small = doubled(small)
            Matrix([1, 2])  # takes what the one before gave up, and does nothing with it
    wanted = Matrix.over(start)
    for _ in range(5):
        wanted = kernels.gelu(wanted)
    np.testing.assert_array_equal(x.numpy(), wanted.numpy())
    assert small.numpy().tolist() == [[2.0**100] * 2]


def test_so_much_memory_is_held_and_so_many_calls_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = calls._waiting
    monkeypatch.setattr(calls, "MOST_WAITING", 3)
    with kernels.together():
        x, seen = over(1), []
        for _ in range(4):
            x = doubled(x)
            seen.append(len(waiting.calls))
        assert seen == [1, 2, 0, 1]
        large = Matrix([LARGE])
        monkeypatch.setattr(calls, "MOST_HELD_BYTES", 4 * LARGE)
        del large
        assert len(waiting.calls) == 1
        assert waiting.held_bytes >= 4 * LARGE
        x = doubled(x)
        assert waiting.calls == waiting.held == []
    assert x.numpy().tolist() == [[32]]


def test_what_an_error_leaves_waiting_is_never_computed() -> None:
    y = Matrix([1, 1])
    y.numpy()[...] = 9

    def fail_behind_a_product() -> None:
        with kernels.together():
            kernels.matmul(over(1), over(2), y)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_behind_a_product()
    kernels.matmul(over(1), over(3), Matrix([1, 1]))
    assert y.numpy().tolist() == [[9]]


def test_a_call_that_fails_later_is_told_and_the_rest_forgotten() -> None:
    y = Matrix([1, 1])
    y.numpy()[...] = 9

    def fail_late() -> None:
        with kernels.together():
            calls.call("gelu", -1, kernels.FLOAT32, None, None)  # fewer than nothing
            kernels.matmul(over(1), over(2), y)

    with pytest.raises(RuntimeError, match="kernels: gelu: "):
        fail_late()
    assert y.numpy().tolist() == [[9]]
