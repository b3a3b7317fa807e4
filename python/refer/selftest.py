"""Checks that the compiled functions work, not only that they compiled: `python -m refer.selftest`.

Prints the checked functions as JSON. The answers are worked out by hand, on a small mask:

    . # # .
    . # # .
    . . # .
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from refer import mask

PIXELS = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0]], np.uint8)
RLE = {"size": [3, 4], "counts": b"32112"}
SQUARE = {"size": [3, 4], "counts": [3, 2, 1, 2, 4]}
EMPTY = {"size": [3, 4], "counts": "<"}


def checks() -> dict[str, tuple[Callable[[], Any], Any]]:
    """Each function with what it must give."""
    return {
        "encode": (lambda: mask.encode(PIXELS), RLE),
        "decode": (lambda: mask.decode(RLE).tolist(), PIXELS.tolist()),
        "area": (lambda: mask.area([RLE, SQUARE, EMPTY]).tolist(), [5, 4, 0]),
        "toBbox": (lambda: mask.toBbox([RLE, EMPTY]).tolist(), [[1, 0, 2, 3], [0, 0, 0, 0]]),
        "merge": (lambda: mask.merge([RLE, SQUARE]), RLE),
        "intersect": (lambda: mask.area(mask.merge([RLE, SQUARE], intersect=True)), 4),
        "iou": (lambda: mask.iou([RLE], [SQUARE, EMPTY, SQUARE], [0, 0, 1]).tolist(), [[0.8, 0, 0.8]]),
        "iou of boxes": (lambda: mask.iou([[0, 0, 2, 2]], [[1, 0, 2, 2]], [0]).tolist(), [[1 / 3]]),
        "frPyObjects": (
            lambda: mask.area(mask.frPyObjects([[1, 0, 3, 0, 3, 2, 1, 2], SQUARE], 3, 4)).tolist(),
            [4, 4],
        ),
        "frPyObjects of a box": (
            lambda: mask.toBbox(mask.frPyObjects([1, 0, 2, 2], 3, 4)).tolist(),
            [1, 0, 2, 2],
        ),
        "damaged counts": (lambda: _refusal({"size": [3, 4], "counts": b"3211o"}), "ValueError"),
        "runs beyond the size": (lambda: _refusal({"size": [3, 4], "counts": [3, 10]}), "ValueError"),
    }


def main() -> None:
    """Run the checks; raises AssertionError at the first that fails."""
    functions = []
    for name, (function, expected) in checks().items():
        found = function()
        if found != expected:
            raise AssertionError(f"{name} gives {found!r} where {expected!r} is right")
        functions.append(name)
    print(json.dumps({"functions": functions}))


def _refusal(rle: mask.Rle) -> str:
    try:
        mask.decode(rle)
    except ValueError as error:
        return type(error).__name__
    return "nothing"


if __name__ == "__main__":
    main()
