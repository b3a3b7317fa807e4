"""How the C functions of `python/kernels` take what they are given: the structures and signatures of kernels.h."""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int, c_int64, c_uint32, c_uint64, c_void_p
from typing import Any


class MatmulArguments(ctypes.Structure):
    """A product of two matrices."""

    _fields_ = [
        ("rows", c_int64),
        ("inner", c_int64),
        ("columns", c_int64),
        ("left", c_void_p),
        ("left_type", c_int),
        ("left_transposed", c_int),
        ("right", c_void_p),
        ("right_type", c_int),
        ("right_transposed", c_int),
        ("bias", c_void_p),
        ("out", c_void_p),
        ("out_type", c_int),
        ("gelu", c_int),
        ("accumulate", c_int),
    ]


class AttentionArguments(ctypes.Structure):
    """Packed queries, keys and values."""

    _fields_ = [
        ("sequences", c_int64),
        ("heads", c_int64),
        ("size", c_int64),
        ("query_starts", c_void_p),
        ("key_starts", c_void_p),
        ("query_rows", c_int64),
        ("key_rows", c_int64),
        ("type", c_int),
        ("query", c_void_p),
        ("key", c_void_p),
        ("value", c_void_p),
        ("dropout", c_float),
        ("seed", c_uint64),
        ("stream", c_uint32),
    ]


class NormArguments(ctypes.Structure):
    """A layer norm of a sum."""

    _fields_ = [
        ("rows", c_int64),
        ("size", c_int64),
        ("x", c_void_p),
        ("residual", c_void_p),
        ("gain", c_void_p),
        ("shift", c_void_p),
        ("epsilon", c_float),
        ("dropout", c_float),
        ("seed", c_uint64),
        ("stream", c_uint32),
    ]


class NormGradientArguments(ctypes.Structure):
    """Where the gradients of one go."""

    _fields_ = [
        ("grad_x", c_void_p),
        ("grad_type", c_int),
        ("grad_residual", c_void_p),
        ("grad_gain", c_void_p),
        ("grad_shift", c_void_p),
        ("grad_x_sum", c_void_p),
    ]


class AdamTensor(ctypes.Structure):
    """One tensor of an optimizer's step, by addresses."""

    _fields_ = [
        ("count", c_int64),
        ("value", c_void_p),
        ("gradient", c_void_p),
        ("moment1", c_void_p),
        ("moment2", c_void_p),
        ("lowered", c_void_p),
        ("learning_rate", c_float),
        ("weight_decay", c_float),
    ]


class AdamRows(ctypes.Structure):
    """The rows of a table that have a gradient or moments."""

    _fields_ = [
        ("width", c_int64),
        ("moving", c_void_p),
        ("count", c_int64),
        ("places", c_void_p),
        ("gradients", c_void_p),
    ]


class AdamSettings(ctypes.Structure):
    """What all tensors of a step share."""

    _fields_ = [
        (name, c_float) for name in ("beta1", "beta2", "epsilon", "clip", "correction1", "correction2")
    ]


SIGNATURES: dict[str, list[Any]] = {
    "matmul": [c_void_p],
    "gelu": [c_int64, c_int, c_void_p, c_void_p],
    "gelu_gradient": [c_int64, c_int, c_void_p, c_void_p, c_void_p],
    "attention": [c_void_p, c_void_p, c_void_p],
    "attention_gradient": [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p],
    "add_norm": [c_void_p, c_void_p, c_void_p, c_int, c_void_p],
    "add_norm_gradient": [c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_void_p],
    "dropout": [c_int64, c_int64, c_void_p, c_void_p, c_float, c_uint64, c_uint32],
    "convert": [c_int64, c_void_p, c_int, c_void_p, c_int],
    "column_sums": [c_int64, c_int64, c_void_p, c_int, c_void_p],
    "adam_step": [c_int64, c_void_p, c_void_p],
    "adam_step_of_rows": [c_void_p, c_void_p, c_void_p],
}
