"""Masks as run lengths (COCO's RLE): the functions of pycocotools.mask, with every input checked.

An RLE is `{"size": [height, width], "counts": …}`; counts are COCO's compressed form (bytes or str) or a list of
run lengths, read column by column and beginning with the zeros. Results carry bytes. What is no mask raises
ValueError or TypeError: damaged counts, runs that do not fill the size exactly, more than 2**31 - 1 pixels,
coordinates that are not finite. Unlike in pycocotools, masks of different sizes cannot be merged or compared.

The compiled part, `_mask`, is built by `vilbert-ts refer build` (or by `make` in this folder).
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Union

import numpy as np

from refer.errors import MaskNotBuilt

try:
    from refer import _mask  # pyright: ignore[reportMissingModuleSource] (built by make)
except ImportError as error:
    raise MaskNotBuilt(f"The mask extension is not built for {sys.executable}.") from error

Rle = dict[str, Any]
Boxes = Union[np.ndarray, Sequence[Sequence[float]]]

_LARGEST_SIDE = 2**31 - 1


def encode(mask: np.ndarray) -> Any:
    """Encode an array [height, width] of 0 and 1 as an RLE, or [height, width, n] as a list of n."""
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"a mask must be a numpy array, not {type(mask).__name__}")
    if mask.dtype not in (np.uint8, np.bool_):
        raise TypeError(f"a mask must have the dtype uint8 or bool, not {mask.dtype}")
    if mask.ndim not in (2, 3):
        raise ValueError(f"a mask must have 2 or 3 dimensions, not {mask.ndim}")
    if mask.ndim == 3:
        return [encode(mask[:, :, index]) for index in range(mask.shape[2])]
    height, width = (_side(side, "shape") for side in mask.shape)
    return _rle(_mask.from_pixels(height, width, np.ascontiguousarray(mask.T).view(np.uint8)))


def decode(masks: Rle | Sequence[Rle]) -> np.ndarray:
    """Decode an RLE to uint8 [height, width], or n of one size to [height, width, n], in Fortran order."""
    parsed = _parse_all(masks)
    if not parsed:
        raise ValueError("there is no mask to decode")
    _check_sizes(parsed)
    pixels = np.empty((len(parsed), parsed[0].width, parsed[0].height), np.uint8)
    for mask, columns in zip(parsed, pixels):
        mask.fill(columns)
    return pixels[0].T if isinstance(masks, dict) else pixels.T


def area(masks: Rle | Sequence[Rle]) -> Any:
    """Count the ones: a uint32, or uint32 [n] for n masks."""
    areas = np.array([mask.area() for mask in _parse_all(masks)], np.uint32)
    return areas[0] if isinstance(masks, dict) else areas


def toBbox(masks: Rle | Sequence[Rle]) -> np.ndarray:
    """The smallest box x, y, width, height around the ones, zeros for none: float64 [4] or [n, 4]."""
    boxes = np.array([mask.bounds() for mask in _parse_all(masks)], np.float64).reshape(-1, 4)
    return boxes[0] if isinstance(masks, dict) else boxes


def merge(masks: Sequence[Rle], intersect: bool = False) -> Rle:
    """The union of masks, or their intersection; of no masks, a mask of no pixels."""
    parsed = _parse_all(masks)
    if not parsed:
        return {"size": [0, 0], "counts": b""}
    _check_sizes(parsed)
    return _rle(_mask.merge(parsed, bool(intersect)))


def iou(detections: Boxes | Sequence[Rle], truths: Boxes | Sequence[Rle], iscrowd: Sequence[int]) -> Any:
    """Intersection over union of each detection with each truth: masks, or boxes x, y, width, height.

    Returns float64 [detections, truths], or an empty list if there are none of one. For a truth that is a crowd,
    the intersection is taken over the detection alone.
    """
    crowds = [_flag(crowd) for crowd in iscrowd]
    if len(crowds) != len(truths):
        raise ValueError(f"there are {len(crowds)} values in iscrowd for {len(truths)} truths")
    if len(detections) == 0 or len(truths) == 0:
        return []
    if _are_masks(detections) != _are_masks(truths):
        raise TypeError("masks cannot be compared with boxes")
    if _are_masks(detections):
        return _mask_ious(_parse_all(detections), _parse_all(truths), crowds)
    return _box_ious(_boxes(detections), _boxes(truths), crowds)


def frPyObjects(objects: Any, height: int, width: int) -> Any:
    """Masks of polygons (x0, y0, x1, y1, x2, y2, …), boxes (x, y, width, height) or run lengths.

    A single polygon, box or `{"size", "counts"}` gives an RLE, several give a list.
    """
    size = _side(height, "height"), _side(width, "width")
    if isinstance(objects, dict):
        return _rle(_parse(objects, size))
    if not isinstance(objects, (list, tuple, np.ndarray)):
        raise TypeError(f"{type(objects).__name__} is neither a polygon nor a box nor run lengths")
    if len(objects) == 0 and not isinstance(objects, np.ndarray):
        raise ValueError("there is no polygon")
    if len(objects) > 0 and np.ndim(objects[0]) == 0 and not isinstance(objects[0], dict):
        return _rle(_from_shape(objects, size))
    return [
        _rle(_parse(item, size) if isinstance(item, dict) else _from_shape(item, size)) for item in objects
    ]


def _rle(mask: _mask.Mask) -> Rle:
    return {"size": [mask.height, mask.width], "counts": mask.text()}


def _parse_all(masks: Any) -> list[_mask.Mask]:
    if isinstance(masks, dict):
        return [_parse(masks)]
    if not isinstance(masks, (list, tuple)):
        raise TypeError(f"an RLE must be a dict, several a list of them, not {type(masks).__name__}")
    return [_parse(mask) for mask in masks]


def _parse(rle: Any, expected_size: tuple[int, int] | None = None) -> _mask.Mask:
    """Read an RLE from outside; what `_mask` gets has the right types, and it checks the values."""
    if not isinstance(rle, dict):
        raise TypeError(f"an RLE must be a dict, not {type(rle).__name__}")
    if "size" not in rle or "counts" not in rle:
        raise ValueError("an RLE needs size and counts")
    size, counts = rle["size"], rle["counts"]
    if not isinstance(size, (list, tuple, np.ndarray)) or len(size) != 2:
        raise ValueError("the size of an RLE must be [height, width]")
    height, width = _side(size[0], "height"), _side(size[1], "width")
    if expected_size not in (None, (height, width)):
        raise ValueError(f"the RLE has the size {[height, width]}, the image {list(expected_size or ())}")
    if isinstance(counts, str):
        # Text that is not ASCII becomes a byte that no counts hold.
        counts = counts.encode() if counts.isascii() else b"\xff"
    if isinstance(counts, bytes):
        return _mask.from_text(height, width, counts)
    return _mask.from_runs(height, width, _runs(counts))


def _runs(counts: Any) -> np.ndarray:
    """Run lengths as int64; numpy would cut off the decimals of 1.5 in silence."""
    if not isinstance(counts, (list, tuple, np.ndarray)):
        raise TypeError(f"counts must be bytes, str or a list of whole numbers, not {type(counts).__name__}")
    runs = np.asarray(counts)
    if runs.ndim != 1:
        raise ValueError("counts must be a flat list of whole numbers")
    if len(runs) == 0:
        return np.empty(0, np.int64)
    if runs.dtype.kind not in "iu":
        raise TypeError("counts must be whole numbers of at most 64 bits")
    if runs.max() > _LARGEST_SIDE:
        raise ValueError("the mask has runs that go beyond its size")
    return np.ascontiguousarray(runs, np.int64)


def _side(value: Any, name: str) -> int:
    try:
        side = operator.index(value)
    except TypeError:
        raise TypeError(f"the {name} of a mask must be a whole number, not {value!r:.40}") from None
    if not 0 <= side <= _LARGEST_SIDE:
        raise ValueError(f"the {name} of a mask must be from 0 to {_LARGEST_SIDE}")
    return side


def _flag(value: Any) -> bool:
    flag = operator.index(value)
    if flag not in (0, 1):
        raise ValueError("iscrowd holds other values than 0 and 1")
    return bool(flag)


def _check_sizes(masks: list[_mask.Mask]) -> None:
    sizes = {(mask.height, mask.width) for mask in masks}
    if len(sizes) > 1:
        raise ValueError(f"the masks have different sizes: {', '.join(map(str, sorted(sizes)[:3]))}")


def _from_shape(shape: Any, size: tuple[int, int]) -> _mask.Mask:
    numbers = _numbers(shape)
    if numbers.ndim != 1 or (len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2 == 1)):
        raise ValueError("a polygon needs x and y of three corners or more, a box four numbers")
    if len(numbers) == 4:
        return _mask.from_box(*size, *map(float, numbers))
    return _mask.from_polygon(*size, numbers)


def _numbers(values: Any) -> np.ndarray:
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "iuf":
        raise TypeError("coordinates must be numbers")
    return np.ascontiguousarray(numbers, np.float64)


def _are_masks(objects: Any) -> bool:
    return isinstance(objects, (list, tuple)) and isinstance(objects[0], dict)


def _boxes(values: Any) -> list[tuple[float, ...]]:
    boxes = _numbers(values)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError("boxes must have four numbers each: x, y, width, height")
    if not np.isfinite(boxes).all():
        raise ValueError("a box holds a number that is not finite")
    if (boxes[:, 2:] < 0).any():
        raise ValueError("a box has a negative width or height")
    return [tuple(box) for box in boxes.tolist()]


def _box_ious(
    first: list[tuple[float, ...]], second: list[tuple[float, ...]], crowds: list[bool]
) -> np.ndarray:
    return _table([[_mask.box_iou(one, two, crowd) for two, crowd in zip(second, crowds)] for one in first])


def _mask_ious(first: list[_mask.Mask], second: list[_mask.Mask], crowds: list[bool]) -> np.ndarray:
    _check_sizes([*first, *second])
    areas = [mask.area() for mask in second]
    bounds = [mask.bounds() for mask in second]

    def row(mask: _mask.Mask) -> Iterable[float]:
        own_area, own_bounds = mask.area(), mask.bounds()
        for other, other_area, other_bounds, crowd in zip(second, areas, bounds, crowds):
            # Most pairs lie apart, which their boxes tell at once.
            overlap = mask.overlap(other) if _mask.box_iou(own_bounds, other_bounds, crowd) > 0 else 0
            whole = own_area if crowd else own_area + other_area - overlap
            yield overlap / whole if overlap > 0 else 0.0

    return _table([list(row(mask)) for mask in first])


def _table(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float64, order="F")
