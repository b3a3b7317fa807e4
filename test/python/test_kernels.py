"""Every kernel of python/kernels against numpy in float64, against Paddle's own operators, and against itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import Tensor
from vilbert import kernel_reference as reference
from vilbert import kernels
from vilbert.bench_parts import PARTS
from vilbert.kernel_arguments import SIGNATURES
from vilbert.kernel_library import has_bfloat16, unfit_because
from vilbert.kernels_selftest import as_float64

pytestmark = pytest.mark.skipif(not kernels.are_available(), reason=f"no kernels: {unfit_because()}")

SINGLE, LOW = paddle.float32, paddle.bfloat16
TOLERANCES = {SINGLE: 2e-5, LOW: 1.5e-2}  # of the largest number of a result
NO_DROPOUT = kernels.Dropout(0.0, 0, 0)
DROPOUTS = [NO_DROPOUT, kernels.Dropout(0.1, 2**40 + 7, 5), kernels.Dropout(1.0, 7, 5)]
PRECISIONS = [
    pytest.param(SINGLE, id="fp32"),
    pytest.param(
        LOW,
        id="bf16",
        marks=pytest.mark.skipif(not has_bfloat16(), reason="this processor does not multiply bfloat16"),
    ),
]
precisions = pytest.mark.parametrize("dtype", PRECISIONS)
dropouts = pytest.mark.parametrize("dropout", DROPOUTS, ids=lambda how: f"dropout {how.probability:g}")


class Numbers:
    """Random tensors and the numbers they hold."""

    def __init__(self, dtype: paddle.dtype) -> None:
        self._dtype = dtype
        self._random = np.random.default_rng(5)

    def __call__(self, *shape: int, dtype: paddle.dtype | None = None) -> tuple[Tensor, np.ndarray]:
        single = paddle.to_tensor(self._random.standard_normal(shape).astype(np.float32))
        tensor = single.cast(dtype or self._dtype)
        return tensor, as_float64(tensor)


def bits_of(x: kernels.Numbers) -> bytes:
    return x.numpy().tobytes()


def on_threads(run: Callable[[], Sequence[kernels.Numbers]]) -> list[kernels.Numbers]:
    """What `run` makes, which is the same to the last bit on one, two and five threads."""
    made = [again_and_again(run, count) for count in (1, 2, 5)]
    for other in made[1:]:
        assert all_bits(other) == all_bits(made[0])
    return made[0]


def again_and_again(run: Callable[[], Sequence[kernels.Numbers]], threads: int) -> list[kernels.Numbers]:
    """What `run` makes, which is the same to the last bit each time."""
    with kernels.threads(threads):
        made = [list(run()) for _ in range(3)]
    assert all_bits(made[1]) == all_bits(made[0])
    assert all_bits(made[2]) == all_bits(made[0])
    return made[0]


def all_bits(made: Sequence[kernels.Numbers]) -> list[bytes]:
    return [bits_of(each) for each in made]


def assert_close(made: kernels.Numbers, expected: np.ndarray, tolerance: float) -> None:
    assert tuple(made.shape) == expected.shape
    if expected.size > 0:
        error = np.abs(as_float64(made) - expected).max()
        assert error <= tolerance * max(1.0, np.abs(expected).max()), f"off by {error}"


# Products


@precisions
@pytest.mark.parametrize("transposed", ["", "left", "right"])
@pytest.mark.parametrize(
    "sizes",
    [
        (0, 7, 5),
        (5, 0, 7),
        (5, 7, 0),
        (1, 1, 1),
        (1, 33, 17),
        (77, 31, 1),
        (130, 257, 65),
        (301, 40, 611),
        (64, 3072, 96),
        (33, 1024, 1),
        (100, 1024, 1024),
    ],
)
def test_matmul_is_the_product_then_bias_then_gelu(
    dtype: paddle.dtype, transposed: str, sizes: tuple[int, int, int]
) -> None:
    rows, inner, columns = sizes
    numbers = Numbers(dtype)
    left, a = numbers(*((inner, rows) if transposed == "left" else (rows, inner)))
    right, b = numbers(*((columns, inner) if transposed == "right" else (inner, columns)))
    bias, c = numbers(columns, dtype=SINGLE)
    start, d = numbers(rows, columns, dtype=SINGLE)
    product = (a.T if transposed == "left" else a) @ (b.T if transposed == "right" else b)

    def multiply(out_type: paddle.dtype, **how: Any) -> Tensor:
        out = start.cast(out_type)
        sides = {"left_transposed": transposed == "left", "right_transposed": transposed == "right"}
        return kernels.matmul(left, right, out, **sides, **how)

    def run() -> Sequence[Tensor]:
        return (
            multiply(SINGLE),
            multiply(dtype, bias=bias),
            multiply(dtype, bias=bias, gelu=True),
            multiply(SINGLE, accumulate=True),
        )

    # oneDNN cuts the sums of bfloat16 products by the number of threads.
    results = [on_threads(run)] if dtype == SINGLE else [again_and_again(run, count) for count in (1, 2, 5)]
    for plain, biased, activated, added in results:
        assert_close(plain, product, TOLERANCES[SINGLE])  # sums are float32, whatever is multiplied
        assert_close(biased, product + c, TOLERANCES[dtype])
        assert_close(activated, reference.gelu(product + c), TOLERANCES[dtype])
        assert_close(added, product + d, TOLERANCES[SINGLE])


@precisions
def test_matmul_is_paddles_linear(dtype: paddle.dtype) -> None:
    numbers = Numbers(dtype)
    x, weight, bias = numbers(70, 48)[0], numbers(48, 33)[0], numbers(33, dtype=SINGLE)[0]
    stock = F.linear(x.cast(SINGLE), weight.cast(SINGLE), bias)
    assert_close(kernels.matmul(x, weight, paddle.empty([70, 33]), bias=bias), as_float64(stock), 1e-5)


@precisions
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (37, 129)])
def test_gelu_and_its_gradient(dtype: paddle.dtype, shape: tuple[int, int]) -> None:
    numbers = Numbers(dtype)
    (x, before), (grad_y, gradient) = numbers(*shape), numbers(*shape)
    y, grad_x = on_threads(lambda: (kernels.gelu(x), kernels.gelu_gradient(x, grad_y)))
    assert_close(y, reference.gelu(before), TOLERANCES[dtype])
    assert_close(grad_x, reference.gelu_gradient(before, gradient), TOLERANCES[dtype])


def test_gelu_is_paddles() -> None:
    x, grad_y = Numbers(SINGLE)(40, 50)[0], Numbers(SINGLE)(40, 50)[0]
    x.stop_gradient = False
    stock = F.gelu(x)
    stock.backward(grad_y)
    assert x.grad is not None
    assert_close(kernels.gelu(x), as_float64(stock), 1e-6)
    assert_close(kernels.gelu_gradient(x, grad_y), as_float64(x.grad), 1e-6)


# Attention

# Queries and keys of each sequence, and how many rows before and behind them belong to none.
PACKINGS = [
    pytest.param([], [], 0, id="empty batch"),
    pytest.param([], [], 3, id="only rows outside"),
    pytest.param([1], [1], 0, id="one token"),
    pytest.param([1, 7, 33], [1, 19, 2], 2, id="odd lengths"),
    pytest.param([0, 4, 5], [3, 0, 6], 1, id="nothing asks, nothing answers"),
]
packings = pytest.mark.parametrize(("queries", "keys", "outside"), PACKINGS)


def starts_of(lengths: Sequence[int], outside: int) -> np.ndarray:
    return (outside + np.cumsum([0, *lengths])).astype(np.int32)


@precisions
@dropouts
@packings
@pytest.mark.parametrize(("heads", "size"), [(1, 5), (3, 33), (2, 128)])
def test_attention_and_its_gradients(
    dtype: paddle.dtype,
    dropout: kernels.Dropout,
    queries: list[int],
    keys: list[int],
    outside: int,
    heads: int,
    size: int,
) -> None:
    starts = starts_of(queries, outside), starts_of(keys, outside)
    rows, key_rows = (int(each[-1]) + outside for each in starts)
    numbers = Numbers(dtype)
    (query, q), (grad, g) = numbers(rows, size), numbers(rows, size)
    (key, k), (value, v) = numbers(key_rows, size), numbers(key_rows, size)
    a = kernels.Attention(*starts, heads, dropout)
    expected = reference.Attention(*starts, heads, dropout)

    def run() -> Sequence[kernels.Numbers]:
        context, log_sums = kernels.attention(a, query, key, value)
        return context, *kernels.attention_gradient(a, query, key, value, log_sums, grad)

    context, *gradients = on_threads(run)
    assert_close(context, reference.attention(expected, q, k, v), TOLERANCES[dtype])
    for made, wanted in zip(gradients, reference.attention_gradient(expected, q, k, v, g)):
        assert_close(made, wanted, TOLERANCES[dtype])


def test_attention_is_paddles_softmax_of_scaled_products() -> None:
    batch, rows, heads, width = 3, 11, 2, 16
    query, key, value = (Numbers(SINGLE)(batch, rows, heads * width)[0] for _ in range(3))
    for x in (query, key, value):
        x.stop_gradient = False

    def split(x: Tensor) -> Tensor:
        return x.reshape([batch, rows, heads, width]).transpose([0, 2, 1, 3])

    probabilities = F.softmax(split(query).matmul(split(key), transpose_y=True) / width**0.5)
    stock = probabilities.matmul(split(value)).transpose([0, 2, 1, 3]).reshape([batch * rows, heads * width])
    grad = Numbers(SINGLE)(*stock.shape)[0]
    stock.backward(grad)
    starts = starts_of([rows] * batch, 0)
    q, k, v = (x.detach().reshape([batch * rows, heads * width]) for x in (query, key, value))
    a = kernels.Attention(starts, starts, heads, NO_DROPOUT)
    context, log_sums = kernels.attention(a, q, k, v)
    assert_close(context, as_float64(stock), 1e-5)
    for made, x in zip(kernels.attention_gradient(a, q, k, v, log_sums, grad), (query, key, value)):
        assert x.grad is not None
        assert_close(made.reshaped(*x.shape), as_float64(x.grad), 1e-5)


# Layer norm


@precisions
@dropouts
@pytest.mark.parametrize("has_residual", [True, False])
@pytest.mark.parametrize(("rows", "size"), [(0, 5), (1, 1), (1, 75), (131, 75), (1100, 16)])
def test_add_norm_and_its_gradients(
    dtype: paddle.dtype, dropout: kernels.Dropout, has_residual: bool, rows: int, size: int
) -> None:
    numbers = Numbers(SINGLE)
    (x, before), (grad_y, g) = numbers(rows, size), numbers(rows, size)
    residual, added = numbers(rows, size) if has_residual else (None, None)
    (gain, scale), (shift, moved) = numbers(size), numbers(size)
    n = kernels.Norm(gain, shift, 1e-3, dropout)
    expected = reference.Norm(scale, moved, 1e-3, dropout)
    alone, nothing, _ = kernels.add_norm(n, x, residual, None)
    y, normal, scales = on_threads(lambda: all_of(kernels.add_norm(n, x, residual, dtype)))
    assert nothing is None
    assert bits_of(alone) == bits_of(y)
    wanted = reference.add_norm(expected, before, added)
    assert_close(y, wanted[0], TOLERANCES[SINGLE])
    assert_close(normal, wanted[1], TOLERANCES[dtype])
    assert_close(scales, wanted[2], TOLERANCES[SINGLE])

    made = on_threads(
        lambda: all_of(
            kernels.add_norm_gradient(n, normal, scales, grad_y, has_residual=has_residual, grad_dtype=dtype)
        )
    )
    gradients = reference.add_norm_gradient(expected, as_float64(normal), as_float64(scales), g)
    wanted = [each for name, each in gradients._asdict().items() if has_residual or name != "residual"]
    for number, (tensor, numbers_wanted) in enumerate(zip(made, wanted)):
        assert_close(tensor, numbers_wanted, TOLERANCES[dtype if number == 0 else SINGLE])


def all_of(made: Sequence[kernels.Numbers | None]) -> list[kernels.Numbers]:
    return [each for each in made if each is not None]


def test_add_norm_is_paddles_layer_norm() -> None:
    numbers = Numbers(SINGLE)
    x, residual, gain, shift, grad_y = (
        numbers(*shape)[0] for shape in [(70, 48)] * 2 + [(48,)] * 2 + [(70, 48)]
    )
    for each in (x, residual, gain, shift):
        each.stop_gradient = False
    stock = F.layer_norm(x + residual, 48, gain, shift, 1e-12)
    stock.backward(grad_y)
    n = kernels.Norm(gain, shift, 1e-12, NO_DROPOUT)
    y, normal, scales = kernels.add_norm(n, x, residual, SINGLE)
    assert_close(y, as_float64(stock), 1e-5)
    assert normal is not None
    assert scales is not None
    made = kernels.add_norm_gradient(n, normal, scales, grad_y, has_residual=True, grad_dtype=SINGLE)
    for tensor, parameter in zip(made, (x, residual, gain, shift)):
        assert parameter.grad is not None
        assert tensor is not None
        assert_close(tensor, as_float64(parameter.grad), 1e-5)


# Rows


@precisions
@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (1, 1), (130, 77), (2100, 3)])
def test_column_sums(dtype: paddle.dtype, rows: int, columns: int) -> None:
    x, numbers = Numbers(dtype)(rows, columns)
    (sums,) = on_threads(lambda: [kernels.column_sums(x)])
    assert_close(sums, numbers.sum(0), TOLERANCES[SINGLE])


@dropouts
@pytest.mark.parametrize(("rows", "size"), [(0, 5), (1, 1), (33, 77)])
def test_dropout_is_that_of_the_counter(dropout: kernels.Dropout, rows: int, size: int) -> None:
    x, numbers = Numbers(SINGLE)(rows, size)
    (y,) = on_threads(lambda: [kernels.dropout(x, dropout)])
    assert_close(y, reference.dropout(numbers, dropout), 1e-6)


def test_conversion_rounds_to_the_nearest_and_keeps_what_is_no_number() -> None:
    bits = np.array(
        [
            *(0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000),
            *(0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000, 0x00000001, 0x80000000, 0x00008000, 0x00018000),
        ],
        np.uint32,
    )
    x = paddle.to_tensor(bits.view(np.float32))
    low = kernels.convert(x, LOW)
    made, wanted = kernels.convert(low, SINGLE).numpy(), reference.bfloat16(bits.view(np.float32))
    np.testing.assert_array_equal(made, wanted)  # NaN where NaN is wanted
    np.testing.assert_array_equal(np.signbit(made[4:8]), np.signbit(wanted[4:8]))
    assert np.isnan(made[8:12]).all()
    assert made[4:8].tolist() == [np.inf, -np.inf, np.inf, -np.inf]


def test_conversion_is_paddles() -> None:
    x = Numbers(SINGLE)(1001)[0]
    low, stock = on_threads(lambda: [kernels.convert(x, LOW)])[0], x.cast(LOW)
    assert bits_of(low) == bits_of(stock)
    assert bits_of(kernels.convert(low, SINGLE)) == bits_of(stock.cast(SINGLE))
    assert kernels.convert(paddle.empty([0, 3]), LOW).shape == [0, 3]


# Random numbers

# From kat_vectors of Random123 (philox4x32, 10 rounds): counter, key, numbers.
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "numbers"), KNOWN_ANSWERS)
def test_the_reference_generator_gives_the_published_numbers(
    counter: list[int], key: list[int], numbers: list[int]
) -> None:
    assert reference.philox(tuple(counter), (key[0], key[1])).tolist() == numbers


@pytest.mark.parametrize(
    ("seed", "stream"), [(0, 0), (2**64 - 1, 2**32 - 1), (0xA4093822_299F31D0, 0x13198A2E), (5, 1)]
)
def test_a_dropout_takes_the_generators_numbers(seed: int, stream: int) -> None:
    """An element is dropped when its number, as a part of 2^32, lies below the probability."""
    groups = np.arange(2000)
    numbers = reference.philox((groups, 0, stream, 0), (seed & 0xFFFFFFFF, seed >> 32)).reshape(1, -1)
    # What a float32 can say exactly of numbers below 2^32 are multiples of 2^8.
    column = int(np.flatnonzero(numbers[0] % 2**8 == 0)[0])
    x = paddle.ones(numbers.shape)
    for threshold in (int(numbers[0, column]), int(numbers[0, column]) + 2**8):
        y = kernels.dropout(x, kernels.Dropout(threshold / 2**32, seed, stream)).numpy()
        np.testing.assert_array_equal(y == 0, numbers < threshold)


def test_a_dropout_drops_as_many_as_it_should() -> None:
    kept = kernels.dropout(paddle.ones([1000, 1001]), kernels.Dropout(0.1, 3, 1)).numpy()
    assert abs((kept == 0).mean() - 0.1) < 0.001
    assert set(np.unique(kept).tolist()) == {0.0, float(np.float32(1) / (np.float32(1) - np.float32(0.1)))}


# The optimizer


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_adam_step(clip: float) -> None:
    sizes = [0, 1, 7, 65_536, 65_541]
    numbers = Numbers(SINGLE)
    tensors = [[numbers(size) for _ in range(4)] for size in sizes]
    settings = kernels.AdamSettings(0.9, 0.999, 1e-8, clip, 1 - 0.9**4, 1 - 0.999**4)
    how = {"decay": 0.01, "betas": (0.9, 0.999), "epsilon": 1e-8, "clip": clip, "step": 4}

    def step() -> list[kernels.Numbers]:
        copies = [[tensor.clone() for tensor, _ in group] for group in tensors]
        lowered = [group[0].cast(LOW) for group in copies]
        kernels.adam_step(
            [
                kernels.AdamTensor(
                    value.size,
                    value.data_ptr(),
                    None if value.size == 7 else gradient.data_ptr(),
                    moment1.data_ptr(),
                    moment2.square_().data_ptr(),
                    None if value.size == 1 else low.data_ptr(),
                    1e-2 if value.size > 1 else 1e-3,
                    0.01,
                )
                for (value, gradient, moment1, moment2), low in zip(copies, lowered)
            ],
            settings,
        )
        return [each for group, low in zip(copies, lowered) for each in (group[0], group[2], group[3], low)]

    made = on_threads(step)
    for number, ((_, v), (_, g), (_, m1), (_, m2)) in enumerate(tensors):
        value, moment1, moment2, low = made[4 * number : 4 * number + 4]
        before = reference.Adam(v, m1, m2**2)
        rate = 1e-2 if v.size > 1 else 1e-3
        after = before if v.size == 7 else reference.adam_step(before, g, rate=rate, **how)
        for tensor, wanted in zip((value, moment1, moment2), after):
            assert_close(tensor, wanted, TOLERANCES[SINGLE])
        assert bits_of(low) == bits_of(kernels.convert(value if v.size != 1 else tensors[number][0][0], LOW))


def test_adam_steps_are_paddles() -> None:
    numbers = Numbers(SINGLE)
    parameter = paddle.create_parameter([33, 7], "float32")
    optimizer = paddle.optimizer.AdamW(1e-2, parameters=[parameter], weight_decay=0.1)
    value = parameter.detach().clone()
    moment1, moment2 = paddle.zeros_like(value), paddle.zeros_like(value)
    for step in range(1, 6):
        gradient = numbers(33, 7)[0]
        (parameter * gradient).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
        addresses = (tensor.data_ptr() for tensor in (value, gradient, moment1, moment2))
        settings = kernels.AdamSettings(0.9, 0.999, 1e-8, 0.0, 1 - 0.9**step, 1 - 0.999**step)
        kernels.adam_step([kernels.AdamTensor(value.size, *addresses, None, 1e-2, 0.1)], settings)
        assert_close(value, as_float64(parameter), 3e-6)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_step_of_rows_is_that_of_the_whole_table(decay: float) -> None:
    random = np.random.default_rng(5)
    value, moment1, moment2, gradient = random.standard_normal((4, 1000, 24)).astype(np.float32)
    moving = np.zeros(1000, bool)
    moving[::3] = True
    rows = np.flatnonzero(moving)[1::2]
    moment1[~moving], moment2[~moving] = 0, 0
    gradient[np.delete(np.arange(1000), rows)] = 0
    settings = kernels.AdamSettings(0.9, 0.999, 1e-8, 0.5, 1 - 0.9**4, 1 - 0.999**4)

    def step(*, of_rows: bool) -> list[kernels.Numbers]:
        new = [each.copy() for each in (value, moment1, np.abs(moment2))]
        own = [each.ctypes.data for each in (new[0], gradient, *new[1:])]
        table = kernels.AdamTensor(value.size, *own, None, 1e-2, decay)
        if of_rows:
            kernels.adam_step_of_rows(table, moving, rows, gradient[rows], settings)
        else:
            kernels.adam_step([table], settings)
        return [paddle.to_tensor(each) for each in new]

    whole = step(of_rows=False)
    assert all_bits(on_threads(lambda: step(of_rows=True))) == all_bits(whole)
    is_changed = (whole[0].numpy() != value).any(axis=1)
    assert np.array_equal(is_changed, moving | (decay > 0))


def test_bench_knows_where_the_time_of_every_kernel_belongs() -> None:
    assert set(PARTS) == set(SIGNATURES)


# The references themselves: what they call a gradient is one.


def slope(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, grad_y: np.ndarray) -> np.ndarray:
    """The gradient of sum(f(x) · grad_y) by differences."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        values = []
        for step in (1e-6, -1e-6):
            moved = x.copy()
            moved[place] += step
            values.append((f(moved) * grad_y).sum())
        gradient[place] = (values[0] - values[1]) / 2e-6
    return gradient


def test_the_gradients_of_the_references_are_slopes() -> None:
    random = np.random.default_rng(3)
    x, grad_y = random.standard_normal((6, 4)), random.standard_normal((6, 4))
    np.testing.assert_allclose(
        reference.gelu_gradient(x, grad_y), slope(reference.gelu, x, grad_y), atol=1e-8
    )

    a = reference.Attention(np.array([1, 2, 5]), np.array([0, 4, 6]), 2, (0.3, 7, 1))
    key, value = random.standard_normal((6, 4)), random.standard_normal((6, 4))
    made = reference.attention_gradient(a, x, key, value, grad_y)
    wanted = (
        slope(lambda moved: reference.attention(a, moved, key, value), x, grad_y),
        slope(lambda moved: reference.attention(a, x, moved, value), key, grad_y),
        slope(lambda moved: reference.attention(a, x, key, moved), value, grad_y),
    )
    for one, other in zip(made, wanted):
        np.testing.assert_allclose(one, other, atol=1e-8)

    gain, shift, residual = (
        random.standard_normal(4),
        random.standard_normal(4),
        random.standard_normal((6, 4)),
    )

    def norm(x: np.ndarray, residual: np.ndarray, gain: np.ndarray, shift: np.ndarray) -> np.ndarray:
        return reference.add_norm(reference.Norm(gain, shift, 1e-3, (0.3, 7, 1)), x, residual)[0]

    n = reference.Norm(gain, shift, 1e-3, (0.3, 7, 1))
    _, normal, scales = reference.add_norm(n, x, residual)
    gradients = reference.add_norm_gradient(n, normal, scales, grad_y)
    inputs = x, residual, gain, shift
    for number, name in enumerate(("x", "residual", "gain", "shift")):
        wanted_slope = slope(
            lambda moved, place=number: norm(
                *(moved if i == place else each for i, each in enumerate(inputs))
            ),
            inputs[number],
            grad_y,
        )
        np.testing.assert_allclose(getattr(gradients, name), wanted_slope, atol=1e-7, err_msg=name)
