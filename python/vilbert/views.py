"""Tensors of Paddle as arrays of numpy, without a copy where that can be."""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Sequence

import numpy as np
import paddle
from paddle import Tensor

LAZY = 2**20  # numbers of a tensor that is worth pages of its own


def numbers_of(tensor: Tensor) -> np.ndarray:
    """A float32 tensor's numbers: on the CPU its own memory, which they share as long as the tensor lives."""
    if not tensor.place.is_cpu_place():
        return tensor.numpy()
    memory = (ctypes.c_float * math.prod(tensor.shape)).from_address(tensor.data_ptr())
    return np.ctypeslib.as_array(memory).reshape(tensor.shape)


def tensor_over(array: np.ndarray) -> Tensor:
    """A tensor of the CPU over an array's own memory, which it holds; `paddle.to_tensor` would copy it."""
    return paddle.Tensor(
        value=np.ascontiguousarray(array),
        place=paddle.CPUPlace(),
        persistable=False,
        zero_copy=True,
        name="",
        stop_gradient=True,
    )


def new_zeros(shape: Sequence[int]) -> Tensor:
    """A float32 tensor of zeros; pages of a large one take no memory before they are written."""
    size = math.prod(shape)
    if size < LAZY:
        return paddle.zeros(shape)
    pages = mmap.mmap(-1, 4 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return tensor_over(np.frombuffer(pages, np.float32).reshape(shape))
