"""Scenes of coloured shapes: what stands where, and the picture of it."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Array = np.ndarray[Any, np.dtype[Any]]
Point = tuple[float, float]
Box = tuple[float, float, float, float]

ROUND = ("circle", "ring", "moon", "heart")
STRAIGHT = ("square", "triangle", "star", "cross")
CATEGORIES = ROUND + STRAIGHT
COLOURS = {
    "red": (214, 40, 40),
    "orange": (245, 140, 25),
    "yellow": (248, 222, 50),
    "green": (45, 150, 60),
    "blue": (45, 85, 205),
    "purple": (140, 60, 175),
    "white": (246, 246, 242),
    "black": (26, 26, 30),
}
SIZES = {"small": (0.16, 0.20), "big": (0.34, 0.40)}  # longer side, as a part of the picture's shorter side
BACKGROUNDS = ((134, 142, 150), (150, 140, 128), (128, 146, 138), (146, 138, 150), (120, 130, 142))
SUPERSAMPLING = 3


@dataclass(frozen=True)
class SceneObject:
    """One shape: its names, its outline and its tight box in pixels."""

    category: str
    colour: str
    size: str
    outline: tuple[Point, ...]
    box: Box

    @property
    def centre(self) -> Point:
        """The middle of the box in pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Scene:
    """A picture's size in pixels and its objects."""

    width: int
    height: int
    objects: tuple[SceneObject, ...]


def arrange_scene(rng: random.Random, focus: Sequence[str]) -> Scene:
    """Arranges 4 to 9 shapes of which several share a category of `focus`, none touching another."""
    while True:
        width, height = rng.randint(380, 500), rng.randint(310, 400)
        objects = place(rng, draft(rng, focus), width, height)
        if objects is not None:
            return Scene(width, height, tuple(objects))


def draft(rng: random.Random, focus: Sequence[str]) -> list[tuple[str, str, str]]:
    """Chooses category, colour and size of each shape: few colours, so that some share; big ones first."""
    count = rng.randint(4, 9)
    first = rng.choice(focus)
    names = [first] * rng.randint(2, 4)
    others = [name for name in CATEGORIES if name != first]
    if count - len(names) >= 3:
        second = rng.choice([name for name in focus if name != first])
        names += [second] * rng.randint(2, 3)
        others.remove(second)
    names += [rng.choice(others) for _ in range(count - len(names))]
    palette = rng.sample(sorted(COLOURS), rng.randint(3, 4))
    big_at_most = 4 if len(names) <= 6 else 3
    sizes = ["big" if rng.random() < 0.42 else "small" for _ in names]
    while sizes.count("big") > big_at_most:
        sizes[sizes.index("big")] = "small"
    drafts = [(name, rng.choice(palette), size) for name, size in zip(names, sizes)]
    rng.shuffle(drafts)
    return sorted(drafts, key=lambda item: item[2])


def place(
    rng: random.Random, drafts: Sequence[tuple[str, str, str]], width: int, height: int
) -> list[SceneObject] | None:
    """Puts each shape where there is room; None when it finds none."""
    objects: list[SceneObject] = []
    for category, colour, size in drafts:
        for _ in range(80):
            side = rng.uniform(*SIZES[size]) * min(width, height)
            outline = shape_outline(rng, category, side)
            right, bottom = max(x for x, _ in outline), max(y for _, y in outline)
            left, top = rng.uniform(4, width - right - 4), rng.uniform(4, height - bottom - 4)
            moved = tuple((round(x + left, 2), round(y + top, 2)) for x, y in outline)
            box = (round(left, 2), round(top, 2), max(x for x, _ in moved), max(y for _, y in moved))
            if all(apart(box, other.box) for other in objects):
                objects.append(SceneObject(category, colour, size, moved, box))
                break
        else:
            return None
    rng.shuffle(objects)
    return objects


def apart(one: Box, other: Box, gap: float = 8) -> bool:
    """Tells whether two boxes are at least `gap` pixels apart."""
    return (
        one[0] > other[2] + gap
        or other[0] > one[2] + gap
        or one[1] > other[3] + gap
        or other[1] > one[3] + gap
    )


def shape_outline(rng: random.Random, category: str, side: float) -> list[Point]:
    """Gives a slightly turned outline whose box starts at (0, 0) and whose longer side is `side` pixels."""
    turn = math.radians(rng.uniform(-10, 10))
    points = [
        (x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn))
        for x, y in unit_outline(category)
    ]
    left, top = min(x for x, _ in points), min(y for _, y in points)
    scale = side / max(max(x for x, _ in points) - left, max(y for _, y in points) - top)
    return [((x - left) * scale, (y - top) * scale) for x, y in points]


def unit_outline(category: str) -> list[Point]:
    """Gives a shape's outline as one polygon around (0, 0), y downwards; a hole is joined by a slit."""
    if category == "circle":
        return arc(1, 0, 360)
    if category == "ring":
        return arc(1, 0, 360) + arc(0.56, 360, 0)
    if category == "moon":
        return arc(1, 50, 310) + [(0.62 * x + 0.44, 0.78 * y) for x, y in arc(1, 282, 78)]
    if category == "heart":
        angles = [math.radians(a) for a in range(0, 360, 9)]
        return [
            (
                math.sin(a) ** 3,
                -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 16,
            )
            for a in angles
        ]
    if category == "square":
        return [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    if category == "triangle":
        return [(0, -0.95), (1, 0.85), (-1, 0.85)]
    if category == "star":
        radii = (1, 0.42)
        return [
            (radii[k % 2] * math.sin(k * math.pi / 5), -radii[k % 2] * math.cos(k * math.pi / 5))
            for k in range(10)
        ]
    arm = 0.34
    corner = [(-arm, -1), (arm, -1), (arm, -arm)]
    turns = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    return [(x * c - y * s, x * s + y * c) for c, s in turns for x, y in corner]


def arc(radius: float, start_degrees: int, end_degrees: int) -> list[Point]:
    """Gives points along a circle, both ends included."""
    steps = max(8, abs(end_degrees - start_degrees) // 9)
    angles = [
        math.radians(start_degrees + (end_degrees - start_degrees) * k / steps) for k in range(steps + 1)
    ]
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


def polygon_area(outline: Sequence[Point]) -> float:
    """Measures a polygon in square pixels; a hole joined by a slit is left out."""
    following = [*outline[1:], outline[0]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(outline, following))) / 2


def render_scene(scene: Scene, seed: int) -> bytes:
    """Paints a scene on a textured ground; gives the bytes of a JPEG file."""
    noise = np.random.RandomState(seed)
    picture = ground(noise, scene.width, scene.height)
    for item in scene.objects:
        paint_object(picture, item, noise)
    picture += noise.normal(0, 2.5, (scene.height, scene.width, 1))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def ground(noise: np.random.RandomState, width: int, height: int) -> Array:
    """Makes a muted, cloudy and grainy ground, [height, width, 3] in 0…255."""
    base = np.array(BACKGROUNDS[noise.randint(len(BACKGROUNDS))], np.float32)
    cloud = sum(
        np.asarray(
            Image.fromarray(noise.standard_normal((rows, rows + 1)).astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        * strength
        for rows, strength in ((4, 7.0), (14, 3.5), (70, 2.5))
    )
    slope = np.linspace(6, -6, height, dtype=np.float32)[:, None] * noise.uniform(-1, 1)
    return base + (np.asarray(cloud) + slope)[..., None]


def paint_object(picture: Array, item: SceneObject, noise: np.random.RandomState) -> None:
    """Paints one shape into the picture: its colour a little off, lit from above, with a darker rim."""
    left, top = math.floor(item.box[0]) - 2, math.floor(item.box[1]) - 2
    width, height = math.ceil(item.box[2]) + 2 - left, math.ceil(item.box[3]) + 2 - top
    stencil = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    points = [((x - left) * SUPERSAMPLING, (y - top) * SUPERSAMPLING) for x, y in item.outline]
    drawing = ImageDraw.Draw(stencil)
    drawing.polygon(points, fill=255)
    if item.category == "ring":  # its closing edge is the slit to the hole
        drawing.line([points[-1], points[0]], fill=255, width=2 * SUPERSAMPLING)
    core = stencil.filter(ImageFilter.BoxBlur(2)).point([0] * 251 + [255] * 5)
    cover, inside = (
        np.asarray(part.resize((width, height), Image.Resampling.BOX), np.float32)[..., None] / 255
        for part in (stencil, core)
    )
    colour = np.array(COLOURS[item.colour], np.float32) + noise.uniform(-6, 6, 3)
    light = np.linspace(1.06, 0.9, height, dtype=np.float32)[:, None, None]
    surface = colour * light * (0.72 + 0.28 * inside)
    patch = picture[top : top + height, left : left + width]
    cover, surface = (part[-min(top, 0) :, -min(left, 0) :] for part in (cover, surface))
    patch += (surface[: len(patch), : patch.shape[1]] - patch) * cover[: len(patch), : patch.shape[1]]
