"""Writing safetensors files of our own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ALIGNMENT_BYTES = 64


def write_safetensors(path: Path, arrays: Sequence[tuple[str, np.ndarray]]) -> None:
    """Writes float32 arrays and syncs them; the caller sees to it that `path` is not yet anybody's file."""
    header: dict[str, object] = {}
    end = 0
    for name, array in arrays:
        if array.dtype != np.float32:
            raise TypeError(f"{name} is {array.dtype}, only float32 is written")
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT_BYTES)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in arrays:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        file.flush()
        os.fsync(file.fileno())
