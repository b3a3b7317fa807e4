"""A picture of an annotation's mask."""

from __future__ import annotations

from typing import Any

from PIL import Image

from refer import mask
from refer.errors import SegmentationError


def write_mask(request: dict[str, Any]) -> dict[str, Any]:
    """Write a grey PNG of the image's size, 255 inside the mask and 0 outside.

    The request has `segmentation` (COCO's: polygons, or run lengths), `height`, `width`, `output` and `source`,
    which names the annotation in messages.
    """
    try:
        rle = from_segmentation(request["segmentation"], request["height"], request["width"])
    except (ValueError, TypeError) as error:
        raise SegmentationError(f"{request['source']}: {error}.") from error
    pixels = mask.decode(rle)
    pixels *= 255
    Image.fromarray(pixels).save(request["output"], format="PNG")
    return {"areaPx": int(mask.area(rle)), "box": mask.toBbox(rle).tolist()}


def from_segmentation(segmentation: Any, height: int, width: int) -> mask.Rle:
    """The mask of an object: one made of several polygons is their union."""
    masks = mask.frPyObjects(segmentation, height, width)
    return mask.merge(masks) if isinstance(masks, list) else masks
