"""Region features from pixels: 2048 non-negative numbers a box, by numpy and Pillow alone.

They stand in for the pooled activations of a detector on pictures for which no detector is at hand: what sets
a box apart from the strip around it (its shape), its colours, its edges, how much of the picture it fills and
roughly where (the picture's borders show in real activations too). A random projection that is the same
everywhere, and a ReLU, mix them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, np.dtype[Any]]

FEATURE_SIZE = 2048
PROJECTION_SEED = 2048
WINDOW = 32  # side of the resized crop in pixels, with the strip around the box
MARGIN = 4  # width of that strip in the resized crop
INNER = WINDOW - 2 * MARGIN  # the box itself
MASK_CELLS = 8
EDGE_CELLS = 4
EDGE_ORIENTATIONS = 8
HUES = 12
LIGHTNESS_STEPS = 4

# How much each group of descriptors weighs in the sum of squares of 1.
GROUP_WEIGHTS = {"paint": 0.28, "tint": 0.06, "shape": 0.22, "edges": 0.16, "extent": 0.12, "place": 0.16}


def region_features(image: Image.Image, boxes: Array) -> Array:
    """Computes the features of boxes of one picture.

    Args:
        image: a picture of any mode; it is read as RGB.
        boxes: [R, 4] of x1, y1, x2, y2 in pixels; parts outside the picture are cut off.

    Returns:
        [R, 2048] float32, non-negative, about 0.4 on average.

    Raises:
        ValueError: if `boxes` is not [R, 4] or a number in it is not finite.
    """
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ValueError(f"boxes must be finite numbers of shape [R, 4], got shape {list(boxes.shape)}")
    if len(boxes) == 0:
        return np.zeros((0, FEATURE_SIZE), np.float32)
    windows = crop_windows(image.convert("RGB"), boxes)
    descriptors = describe(windows, boxes, image.size)
    return np.maximum(descriptors @ projection(descriptors.shape[1]), 0).astype(np.float32)


def crop_windows(image: Image.Image, boxes: Array) -> Array:
    """Cuts every box with a strip around it to one size: [R, 32, 32, 3] in 0…1."""
    x1, y1, x2, y2 = clip_boxes(boxes, image.size).T
    margin_x, margin_y = (x2 - x1) * MARGIN / INNER, (y2 - y1) * MARGIN / INNER
    pad = math.ceil(max(image.size) * MARGIN / INNER) + 1  # not of the boxes: none may sway another
    padded = Image.fromarray(np.pad(np.asarray(image), ((pad, pad), (pad, pad), (0, 0)), mode="edge"))
    spans = np.stack([x1 - margin_x, y1 - margin_y, x2 + margin_x, y2 + margin_y], 1) + pad
    crops = [
        np.asarray(padded.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR, box=tuple(span)))
        for span in spans.tolist()
    ]
    return np.stack(crops).astype(np.float32) / 255


def clip_boxes(boxes: Array, size: tuple[int, int]) -> Array:
    """Keeps boxes inside the picture and at least one pixel wide and high."""
    limits = np.array([size[0], size[1]], np.float64)
    low = np.clip(np.minimum(boxes[:, :2], boxes[:, 2:]), 0, limits - 1)
    high = np.clip(np.maximum(boxes[:, :2], boxes[:, 2:]), low + 1, limits)
    return np.concatenate([low, high], 1)


def describe(windows: Array, boxes: Array, size: tuple[int, int]) -> Array:
    """Joins all descriptors of the crops, each group scaled to its weight: [R, D] of norm 1."""
    inner = windows[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    mask = foreground(windows)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    groups = {
        "paint": paint(inner, mask),
        "tint": tint(inner),
        "shape": np.concatenate([cells(mask, MASK_CELLS) * 2 - 1, moments(mask)], 1),
        "edges": edges(foreground(windows)),
        "extent": extent(boxes, size),
        "place": place(boxes, size),
    }
    scaled = [
        values
        * math.sqrt(GROUP_WEIGHTS[name])
        / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
        for name, values in groups.items()
    ]
    return np.concatenate(scaled, 1).astype(np.float32)


def foreground(windows: Array) -> Array:
    """Tells by colour what differs from the strip around the box: [R, 32, 32] in 0…1."""
    strip = np.ones((WINDOW, WINDOW), bool)
    strip[MARGIN:-MARGIN, MARGIN:-MARGIN] = False
    around = np.median(windows[:, strip], axis=1)
    distance = np.linalg.norm(windows - around[:, None, None], axis=-1)
    return np.clip((distance - 0.12) / 0.18, 0, 1)


def paint(inner: Array, mask: Array) -> Array:
    """Counts hues and lightness of the foreground: [R, 12 + 4], each less the average."""
    weight = (mask + 0.02).reshape(len(mask), -1)
    pixels = inner.reshape(len(inner), -1, 3)
    high, low = pixels.max(-1), pixels.min(-1)
    chroma = high - low
    colourful = np.clip((chroma - 0.08) / 0.25, 0, 1) * weight
    angle = hue(pixels, high, chroma)[..., None] - np.arange(HUES) / HUES
    nearness = np.clip(1 - np.abs((angle + 0.5) % 1 - 0.5) * HUES, 0, 1)
    lightness = (high + low)[..., None] / 2 - np.linspace(0, 1, LIGHTNESS_STEPS)
    step = np.clip(1 - np.abs(lightness) * (LIGHTNESS_STEPS - 1), 0, 1)
    counts = [
        np.einsum("rp,rph->rh", colourful, nearness),
        np.einsum("rp,rpl->rl", weight - colourful, step) + np.einsum("rp,rpl->rl", colourful, step) * 0.5,
    ]
    shares = np.concatenate(counts, 1) / weight.sum(1, keepdims=True)
    return shares - shares.mean(1, keepdims=True)


def hue(pixels: Array, high: Array, chroma: Array) -> Array:
    """Gives the hue of RGB pixels as a part of the full circle."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    safe = np.maximum(chroma, 1e-6)
    sector = np.where(
        high == red,
        (green - blue) / safe % 6,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return sector / 6


def tint(inner: Array) -> Array:
    """Averages the colours of a 3 by 3 grid: [R, 27] around 0."""
    return np.concatenate([cells(inner[..., channel], 3) for channel in range(3)], 1) - 0.5


def cells(values: Array, count: int) -> Array:
    """Averages [R, S, S] over a grid of `count` by `count` cells: [R, count²]."""
    side = values.shape[1] // count
    grid = values.reshape(len(values), count, side, count, side)
    return grid.mean((2, 4)).reshape(len(values), -1)


def moments(mask: Array) -> Array:
    """Measures the mask's fill, hollow middle, spread and skew: [R, 8], scaled to weigh like grid cells."""
    axis = np.linspace(-1, 1, mask.shape[1])
    mass = np.maximum(mask.sum((1, 2)), 1e-6)
    column, row = mask.sum(1) / mass[:, None], mask.sum(2) / mass[:, None]
    x, y = column @ axis, row @ axis
    middle = mask[:, INNER // 3 : -INNER // 3, INNER // 3 : -INNER // 3].mean((1, 2))
    measures = [
        mask.mean((1, 2)) - 0.5,
        middle - 0.5,
        x,
        y,
        column @ axis**2 - x**2 - 0.25,
        row @ axis**2 - y**2 - 0.25,
        column @ axis**3,
        row @ axis**3,
    ]
    return np.stack(measures, 1) * 2


def edges(mask: Array) -> Array:
    """Sums the outline's directions in a 4 by 4 grid: [R, 128], each less the average."""
    vertical, horizontal = np.gradient(mask, axis=(1, 2))
    strength = np.hypot(vertical, horizontal)
    angle = np.arctan2(vertical, horizontal) / (2 * np.pi)
    turns = angle[..., None] - np.arange(EDGE_ORIENTATIONS) / EDGE_ORIENTATIONS
    nearness = np.clip(1 - np.abs((turns + 0.5) % 1 - 0.5) * EDGE_ORIENTATIONS, 0, 1) * strength[..., None]
    grid = np.concatenate([cells(nearness[..., k], EDGE_CELLS) for k in range(EDGE_ORIENTATIONS)], 1)
    return grid - grid.mean(1, keepdims=True)


def extent(boxes: Array, size: tuple[int, int]) -> Array:
    """Codes how much of the picture a box fills and how slender it is, in soft steps: [R, 8 + 5]."""
    clipped = clip_boxes(boxes, size)
    width, height = (clipped[:, 2:] - clipped[:, :2]).T
    fill = np.log2(width * height / (size[0] * size[1]))[:, None] - np.arange(-8, 0)
    slenderness = np.log2(width / height)[:, None] - np.linspace(-1.5, 1.5, 5)
    codes = np.concatenate([np.exp(-(fill**2) / 2), 0.5 * np.exp(-(slenderness**2))], 1)
    return codes - codes.mean(1, keepdims=True)


def place(boxes: Array, size: tuple[int, int]) -> Array:
    """Codes the middle of a box in soft steps across and down: [R, 5 + 5] around 0."""
    clipped = clip_boxes(boxes, size)
    middle = (clipped[:, :2] + clipped[:, 2:]) / 2 / np.array(size)
    codes = np.exp(-(((middle[:, :, None] - np.linspace(0.1, 0.9, 5)) / 0.15) ** 2))
    return (codes - codes.mean(2, keepdims=True)).reshape(len(boxes), -1)


@lru_cache(maxsize=1)
def projection(size: int) -> Array:
    """Makes the fixed projection [D, 2048]; RandomState's stream is frozen, as models rely on it."""
    return np.random.RandomState(PROJECTION_SEED).standard_normal((size, FEATURE_SIZE)).astype(np.float32)
