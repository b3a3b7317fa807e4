"""Tensors that lie raw in files: mapped where they are, never copied or unpickled."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vilbert.errors import CheckpointError, DataError

# bfloat16 has no numpy type: its bits travel as uint16 and are widened where they are used.
DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def widened(bits: np.ndarray) -> np.ndarray:
    """The float32 numbers of bfloat16 bits (uint16), in the same shape."""
    wide = bits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def map_file(path: str) -> mmap.mmap | bytes:
    """Maps a whole file read-only; pages come in as they are touched."""
    with Path(path).open("rb") as file:
        if Path(path).stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class TensorFile(Mapping[str, np.ndarray]):
    """Named arrays in one file, by the index that the command line's inert readers made.

    `index` is `{"file": path, "tensors": [{"name", "dtype", "shape", "offset", "nbytes"}]}`.
    """

    def __init__(self, index: dict[str, Any]) -> None:
        self.path: str = index["file"]
        self._entries = {entry["name"]: entry for entry in index["tensors"]}
        self._bytes = map_file(self.path)
        end = max((entry["offset"] + entry["nbytes"] for entry in index["tensors"]), default=0)
        if end > len(self._bytes):
            raise CheckpointError(
                f"{self.path} has {len(self._bytes)} bytes but its index reaches to byte {end}: "
                "the file was changed after it was read.",
                "Run the command again.",
            )

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        dtype = DTYPES[entry["dtype"]]
        count = entry["nbytes"] // dtype.itemsize
        return np.frombuffer(self._bytes, dtype, count, entry["offset"]).reshape(entry["shape"])

    def __iter__(self):
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, without touching its bytes."""
        return tuple(self._entries[name]["shape"])

    def release(self, name: str) -> None:
        """Gives a tensor's pages back to the system; they come in again if they are touched again."""
        if not isinstance(self._bytes, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
            return
        entry = self._entries[name]
        start = entry["offset"] // mmap.PAGESIZE * mmap.PAGESIZE
        if entry["nbytes"] > 0:
            self._bytes.madvise(mmap.MADV_DONTNEED, start, entry["offset"] + entry["nbytes"] - start)

    def float32(self, name: str) -> np.ndarray:
        """The tensor as float32; only narrower or wider types are copied."""
        array = self[name]
        if self._entries[name]["dtype"] == "BF16":
            return widened(array)
        return array if array.dtype == np.float32 else array.astype(np.float32)


def open_safetensors(path: str) -> tuple[TensorFile, dict[str, str]]:
    """Maps a safetensors file that the command line wrote; gives its tensors and its metadata."""
    with Path(path).open("rb") as file:
        prefix = file.read(8)
        header_bytes = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or header_bytes > Path(path).stat().st_size:
            raise DataError(f"{path} is not a safetensors file.", "Delete it; it is made again.")
        header: dict[str, Any] = json.loads(file.read(header_bytes))
    metadata: dict[str, str] = header.pop("__metadata__", {})
    base = 8 + header_bytes
    tensors = [
        {
            "name": name,
            "dtype": entry["dtype"],
            "shape": entry["shape"],
            "offset": base + entry["data_offsets"][0],
            "nbytes": entry["data_offsets"][1] - entry["data_offsets"][0],
        }
        for name, entry in header.items()
    ]
    return TensorFile({"file": path, "tensors": tensors}), metadata
