"""Geometry of boxes, `x1, y1, x2, y2` in pixels."""

from __future__ import annotations

import numpy as np


def overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU of `boxes` (N, 4) with one `box` (4,), or with one for each (4, N), in the +1 pixel convention; (N,) float64.

    A box that ends where it starts still covers one pixel: width = x2 - x1 + 1.
    """
    boxes = boxes.astype(np.float64)
    width = np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0]) + 1
    height = np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1]) + 1
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    return intersection / (areas + area - intersection)


def locations(boxes: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Location vectors (x1/w, y1/h, x2/w, y2/h, area/(w*h)) of `boxes` (N, 4); (N, 5) float32.

    `width` and `height` are those of each box's picture in whole pixels, (N,).
    """
    area = (width * height).astype(np.float32)
    width, height = width.astype(np.float32), height.astype(np.float32)
    out = np.empty((len(boxes), 5), np.float32)
    out[:, 0] = boxes[:, 0] / width
    out[:, 1] = boxes[:, 1] / height
    out[:, 2] = boxes[:, 2] / width
    out[:, 3] = boxes[:, 3] / height
    out[:, 4] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / area
    return out
