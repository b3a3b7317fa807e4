"""Arrays cross the bridge as files: only `{path, dtype, shape}` is sent, the numbers lie raw in the file."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = ("float32", "float64", "int32", "int64", "uint8")

_numbers = itertools.count(1)


def read_array(reference: dict[str, Any]) -> np.ndarray:
    """Map an array that Node wrote; nothing is copied, and the array cannot be written to."""
    path, dtype, shape = Path(reference["path"]), _dtype(reference["dtype"]), tuple(reference["shape"])
    size_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    found_bytes = path.stat().st_size
    if found_bytes != size_bytes:
        raise ValueError(f"{path} has {found_bytes} bytes where {dtype} {shape} needs {size_bytes}")
    if size_bytes == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", shape=shape)


def write_array(array: np.ndarray) -> dict[str, object]:
    """Write an array for Node, which removes the file once it has read it (or once this process is gone)."""
    array = np.asarray(array, order="C")
    dtype = _dtype(array.dtype.name)
    folder = _folder_with_room(array.nbytes)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"python-{os.getpid()}-{next(_numbers)}"
    array.astype(dtype, copy=False).tofile(path)
    return {"path": str(path), "dtype": dtype.name, "shape": list(array.shape)}


def _dtype(name: str) -> np.dtype:
    if name not in DTYPES:
        raise TypeError(f"arrays of {name} do not cross the bridge, only {', '.join(DTYPES)}")
    return np.dtype(name).newbyteorder("<")


def _folder_with_room(size_bytes: int) -> Path:
    """The first of the folders that Node named (memory before disk) that has room to spare."""
    folders = [Path(folder) for folder in os.environ["VILBERT_ARRAY_FOLDERS"].split(os.pathsep)]
    for folder in folders[:-1]:
        status = os.statvfs(folder.parent)
        if status.f_bavail * status.f_frsize > 2 * size_bytes:
            return folder
    return folders[-1]
