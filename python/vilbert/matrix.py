"""The numbers between two operators of the model over packed rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import paddle

from vilbert.calls import hold, run_waiting
from vilbert.tensors import widened

if TYPE_CHECKING:
    from vilbert.tape import Node

CACHE_LINE_BYTES = 64  # the widest vectors fill one
MOST_KEPT_BYTES = 2**20  # of a block of memory that is kept for the next one who wants as much

FORMATS = {paddle.float32: "<f4", paddle.bfloat16: "<u2", paddle.int64: "<i8"}  # bfloat16 as its bits
SIZES_BYTES = {dtype: np.dtype(numpys).itemsize for dtype, numpys in FORMATS.items()}  # of one number
TYPES = {np.dtype(np.float32): paddle.float32, np.dtype(np.int64): paddle.int64}


class Block(NamedTuple):
    """Memory, and where it lies."""

    address: int
    memory: Any  # what holds it
    size_bytes: int
    is_shared: bool  # whether somebody else may hold it, too


_kept: dict[int, list[Block]] = defaultdict(list)  # by size, a power of two


def _take(size_bytes: int) -> Block:
    """Memory that begins where a line of the cache does."""
    if size_bytes <= MOST_KEPT_BYTES:
        size_bytes = 1 << (size_bytes - 1).bit_length() if size_bytes > 0 else 1
        kept = _kept[size_bytes]
        if kept:
            return kept.pop()
    memory = np.empty(size_bytes + CACHE_LINE_BYTES, np.uint8)
    address = memory.ctypes.data
    return Block(address + -address % CACHE_LINE_BYTES, memory, size_bytes, False)


def _give_back(block: Block) -> None:
    """Calls that wait may still use the memory: who takes it next waits behind them."""
    if block.is_shared or block.size_bytes > MOST_KEPT_BYTES:
        hold(block.memory, block.size_bytes)
    else:
        _kept[block.size_bytes].append(block)


class Matrix:
    """Numbers of float32 or bfloat16, row after row, that kernels compute of each other, perhaps later.

    A tensor of Paddle does as well. But to make one and to let it go takes several times as long, and a step of
    training, which may have 40 ms in all, makes four hundred.
    """

    __slots__ = ("_block", "address", "dtype", "node", "shape")

    def __init__(self, shape: Sequence[int], dtype: paddle.dtype = paddle.float32) -> None:
        """Numbers that nobody has set yet."""
        size_bytes = SIZES_BYTES[dtype]
        for length in shape:
            size_bytes *= length
        self._block = _take(size_bytes)
        self.address = self._block.address
        self.shape = shape
        self.dtype = dtype
        self.node: Node | None = None  # where the gradient of these numbers is added up, if it is of use

    def __del__(self, give_back: Any = _give_back) -> None:  # a name that lasts until Python has ended
        block = getattr(self, "_block", None)
        if block is not None:
            give_back(block)

    @classmethod
    def over(cls, array: np.ndarray) -> Matrix:
        """The numbers of an array of float32 or int64, where they lie."""
        whole = np.ascontiguousarray(array)
        block = Block(whole.ctypes.data, whole, whole.nbytes, True)
        return cls._at(block, whole.shape, TYPES[whole.dtype])

    @classmethod
    def _at(cls, block: Block, shape: Sequence[int], dtype: paddle.dtype) -> Matrix:
        matrix = cls.__new__(cls)
        matrix._block, matrix.address, matrix.node = block, block.address, None
        matrix.shape, matrix.dtype = shape, dtype
        return matrix

    def reshaped(self, *shape: int) -> Matrix:
        """The same numbers in another shape."""
        return self._at(Block(self.address, self, 0, True), shape, self.dtype)

    def data_ptr(self) -> int:
        """Where the numbers lie, under the name that tensors of Paddle have for it."""
        return self.address

    def numpy(self) -> np.ndarray:
        """The numbers as an array over the same memory, which it holds; those of bfloat16 are their bits."""
        run_waiting()
        return np.asarray(self)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        place = self.address, False
        return {"version": 3, "typestr": FORMATS[self.dtype], "shape": tuple(self.shape), "data": place}

    def float32(self) -> np.ndarray:
        """The numbers as float32: in the same memory where they are."""
        numbers = self.numpy()
        return widened(numbers) if self.dtype == paddle.bfloat16 else numbers
