"""Tensors of Paddle as arrays of numpy, without a copy where that can be."""

from __future__ import annotations

import ctypes

import numpy as np
from paddle import Tensor


def numbers_of(tensor: Tensor) -> np.ndarray:
    """A float32 tensor's numbers: on the CPU its own memory, which they share as long as the tensor lives."""
    if not tensor.place.is_cpu_place():
        return tensor.numpy()
    memory = (ctypes.c_float * tensor.size).from_address(tensor.data_ptr())
    return np.ctypeslib.as_array(memory).reshape(tensor.shape)
