"""The bytes of a `.pdparams`: a pickle of protocol 4 with numpy arrays, written by hand so that it can be streamed.

`src/checkpoint/pdparams-writer.ts` writes the same bytes. Nothing here reads a pickle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NAME_TABLE = "StructuredToParameterName@@"  # how paddle.load knows a state dict

# numpy has no bfloat16: Paddle hands its bits around as uint16.
DTYPE_CODES = {
    "f4": "F32", "f8": "F64", "f2": "F16", "u2": "BF16", "b1": "BOOL", "u1": "U8", "i1": "I8", "i2": "I16",
    "i4": "I32", "i8": "I64", "u4": "U32", "u8": "U64", "c8": "C64", "c16": "C128",
}  # fmt: skip


def dtype_code(array: np.ndarray) -> str:
    """The safetensors code of an array's type; KeyError for one that no parameter has."""
    return DTYPE_CODES[array.dtype.str[1:]]


def array_head(name: str, array: np.ndarray) -> bytes:
    """What stands before the numbers of a tensor: its name, how numpy makes it, shape, type and length."""
    return (
        _text(name)
        + _RECONSTRUCT
        + b"(K\x01"
        + _tuple([_integer(size) for size in array.shape])
        + _dtype(array.dtype.str)
        + b"\x89"
        + _bytes_head(array.nbytes)
    )


def end(names: Sequence[str]) -> bytes:
    """What follows the last tensor: the table of names, and the end."""
    pairs = b"".join(_text(name) + _text(name) for name in names)
    return _text(NAME_TABLE) + b"}(" + pairs + b"uu."


def _text(text: str) -> bytes:
    data = text.encode()
    return b"\x8c" + bytes([len(data)]) + data if len(data) < 256 else b"X" + _u32(len(data)) + data


def _integer(value: int) -> bytes:
    if value < 256:
        return b"K" + bytes([value])
    if value < 65536:
        return b"M" + value.to_bytes(2, "little")
    return b"J" + _u32(value) if value < 2**31 else b"\x8a\x08" + value.to_bytes(8, "little")


def _tuple(items: Sequence[bytes]) -> bytes:
    short = {0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}
    joined = b"".join(items)
    return joined + short[len(items)] if len(items) in short else b"(" + joined + b"t"


def _dtype(code: str) -> bytes:
    """`numpy.dtype('f4', False, True)` and its state, whose first part is the order of the bytes."""
    return (
        _global("numpy", "dtype")
        + _text(code[1:])
        + b"\x89\x88\x87R(K\x03"
        + _text(code[0])
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )


def _bytes_head(length: int) -> bytes:
    if length < 256:
        return b"C" + bytes([length])
    return b"B" + _u32(length) if length < 2**32 else b"\x8e" + length.to_bytes(8, "little")


def _global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


BEGIN = b"\x80\x04}("
ARRAY_END = b"tb"
# numpy 2 keeps this module for the sake of such files; numpy 1 has no other.
_RECONSTRUCT = (
    _global("numpy.core.multiarray", "_reconstruct") + _global("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
)
