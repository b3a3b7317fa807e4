"""Boxes as a detector would propose them for a scene: near the shapes, some twice, some on the ground."""

from __future__ import annotations

import random
from collections.abc import Sequence

from vilbert.synth_scene import Box, Scene

MISSED_SHARE = (
    0.006  # of the shapes have no proposal of IoU > 0.5, so that the ceiling is near but below 100 %
)
TWICE_SHARE = 0.3  # of the shapes are proposed a second time, more loosely


def propose_boxes(rng: random.Random, scene: Scene) -> list[Box]:
    """Makes a scene's detected boxes in random order, within the picture: x1, y1, x2, y2 in pixels."""
    proposals: list[Box] = []
    for item in scene.objects:
        if rng.random() < MISSED_SHARE:
            proposals.append(near(rng, scene, item.box, spread=0.35, wanted=(0.25, 0.45)))
            continue
        proposals.append(near(rng, scene, item.box, spread=0.045, wanted=(0.7, 1.0)))
        if rng.random() < TWICE_SHARE:
            proposals.append(near(rng, scene, item.box, spread=0.1, wanted=(0.58, 0.85)))
    proposals += [elsewhere(rng, scene) for _ in range(rng.randint(2, 4))]
    rng.shuffle(proposals)
    return proposals


def near(rng: random.Random, scene: Scene, box: Box, spread: float, wanted: tuple[float, float]) -> Box:
    """Shifts the sides of a box at random until its IoU with the box is in the wanted range."""
    width, height = box[2] - box[0], box[3] - box[1]
    while True:
        shifted = within(
            scene,
            [
                side + rng.gauss(0, spread) * extent
                for side, extent in zip(box, (width, height, width, height))
            ],
        )
        if shifted[2] > shifted[0] and shifted[3] > shifted[1]:
            overlap = intersection_over_union(box, shifted)
            if wanted[0] <= overlap <= wanted[1]:
                return shifted


def elsewhere(rng: random.Random, scene: Scene) -> Box:
    """Makes a box that fits no shape: ground, a part of a shape, or a group of them."""
    while True:
        width, height = rng.uniform(0.1, 0.5) * scene.width, rng.uniform(0.1, 0.5) * scene.height
        left, top = rng.uniform(0, scene.width - width), rng.uniform(0, scene.height - height)
        box = within(scene, [left, top, left + width, top + height])
        if all(intersection_over_union(box, item.box) < 0.3 for item in scene.objects):
            return box


def within(scene: Scene, sides: Sequence[float]) -> Box:
    """Cuts a box at the picture's border and rounds it to hundredths of a pixel."""
    limits = (scene.width - 1, scene.height - 1, scene.width - 1, scene.height - 1)
    x1, y1, x2, y2 = (round(min(max(side, 0.0), limit), 2) for side, limit in zip(sides, limits))
    return x1, y1, x2, y2


def intersection_over_union(one: Box, other: Box) -> float:
    """Compares two boxes in the convention of REFER, in which x2 and y2 belong to the box."""
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (area(one) + area(other) - width * height)


def area(box: Box) -> float:
    """Counts a box's pixels, both borders included."""
    return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
