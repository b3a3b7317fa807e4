"""Phrases that single out one shape of a scene among several of its kind, and the words for them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from vilbert.synth_scene import Scene, SceneObject

# What a word for a place demands of the shape meant, and where its rivals must not be (0…1).
Region = Callable[[float, float], bool]
PLACES: dict[str, tuple[Region, Region]] = {
    "left": (lambda x, y: x < 0.36, lambda x, y: x < 0.5),
    "right": (lambda x, y: x > 0.64, lambda x, y: x > 0.5),
    "top": (lambda x, y: y < 0.36, lambda x, y: y < 0.5),
    "bottom": (lambda x, y: y > 0.64, lambda x, y: y > 0.5),
    "middle": (
        lambda x, y: abs(x - 0.5) < 0.13 and abs(y - 0.5) < 0.13,
        lambda x, y: abs(x - 0.5) < 0.24 and abs(y - 0.5) < 0.24,
    ),
}
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
STANDOFF = 0.14  # how far from its anchor a related shape stands, as a part of the picture's side

# How often each kind of description is taken, relative to the others that fit.
KIND_WEIGHTS = {
    ("colour", "category"): 30.0,
    ("size", "category"): 12.0,
    ("place", "category"): 14.0,
    ("size", "colour", "category"): 12.0,
    ("colour", "place", "category"): 10.0,
    ("size", "place", "category"): 5.0,
    ("colour",): 4.0,
    ("size", "colour", "place", "category"): 2.0,
}

NOUNS = {"circle": ("disc",), "ring": ("hoop",), "moon": ("crescent",), "square": ("box",)}
SIZE_WORDS = {"big": ("big", "large"), "small": ("small", "little")}
PLACE_WORDS = {
    "left": (("left",), ("on the left", "on the left side")),
    "right": (("right",), ("on the right", "on the right side")),
    "top": (("top", "upper"), ("at the top",)),
    "bottom": (("bottom", "lower"), ("at the bottom",)),
    "middle": (("middle",), ("in the middle", "in the center")),
}
DIRECTION_WORDS = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}


@dataclass(frozen=True)
class Description:
    """What a phrase says of one shape; what it leaves out is None."""

    category: str | None = None
    colour: str | None = None
    size: str | None = None
    place: str | None = None
    direction: str | None = None
    anchor: tuple[str, str] | None = None  # colour and category of the shape it is seen from


def describe_object(rng: random.Random, scene: Scene, index: int, relations: float) -> list[str]:
    """Finds 2 or 3 different phrases that mean this shape and no other.

    Args:
        rng: decides on kinds and words.
        scene: the scene; a shape that is the only one of its category gets no phrase.
        index: the shape's place in `scene.objects`.
        relations: chance that a phrase names another shape, where the scene has such a pair (0…1).

    Returns:
        The phrases, or none when the shape cannot be told apart.
    """
    target = scene.objects[index]
    if sum(other.category == target.category for other in scene.objects) < 2:
        return []
    plain = plain_descriptions(scene, index)
    related = relation_descriptions(scene, index)
    if not plain:
        return []
    count, phrases = rng.randint(2, 3), []
    while len(phrases) < count:
        if related and rng.random() < relations:
            description = related.pop(rng.randrange(len(related)))
        else:
            description = rng.choices([item for item, _ in plain], [weight for _, weight in plain])[0]
            if len(plain) > 1:
                plain = [pair for pair in plain if pair[0] != description]
        phrase = say(rng, description)
        if phrase not in phrases:
            phrases.append(phrase)
    return phrases


def plain_descriptions(scene: Scene, index: int) -> list[tuple[Description, float]]:
    """Lists the descriptions by the shape's own properties that fit it alone, each with its weight."""
    target = scene.objects[index]
    found: list[tuple[Description, float]] = []
    for kind, weight in KIND_WEIGHTS.items():
        for place in places_of(scene, target) if "place" in kind else [None]:
            description = Description(
                category=target.category if "category" in kind else None,
                colour=target.colour if "colour" in kind else None,
                size=target.size if "size" in kind else None,
                place=place,
            )
            if candidates(scene, description) == [index]:
                spare = any(adds_nothing(known, description) for known, _ in found)
                found.append((description, weight * (0.3 if spare else 1)))
    return found


def adds_nothing(known: Description, description: Description) -> bool:
    """Tells whether a description only adds words to one that is enough by itself."""
    pairs = ((known.category, description.category), (known.colour, description.colour))
    pairs += ((known.size, description.size), (known.place, description.place))
    return all(part is None or part == other for part, other in pairs)


def places_of(scene: Scene, item: SceneObject) -> list[str]:
    """Lists the words for places that clearly fit the shape."""
    return [place for place, (clearly, _) in PLACES.items() if clearly(*relative_centre(scene, item))]


def relative_centre(scene: Scene, item: SceneObject) -> tuple[float, float]:
    """Gives the middle of a shape in parts of the picture's width and height."""
    x, y = item.centre
    return x / scene.width, y / scene.height


def candidates(scene: Scene, description: Description) -> list[int]:
    """Lists the shapes that a generous reader may take the description for."""
    return [
        index
        for index, item in enumerate(scene.objects)
        if description.category in (None, item.category)
        and description.colour in (None, item.colour)
        and description.size in (None, item.size)
        and (description.place is None or PLACES[description.place][1](*relative_centre(scene, item)))
    ]


def relation_descriptions(scene: Scene, index: int) -> list[Description]:
    """Lists the descriptions by the direction in which the shape stands from another, uniquely named one."""
    target, found = scene.objects[index], []
    for anchor in scene.objects:
        named = Description(category=anchor.category, colour=anchor.colour)
        if anchor.category == target.category or len(candidates(scene, named)) > 1:
            continue
        for direction in DIRECTIONS:
            kin = [k for k, item in enumerate(scene.objects) if item.category == target.category]
            on_side = [k for k in kin if offset(scene, scene.objects[k], anchor, direction)[0] > 0]
            along, across = offset(scene, target, anchor, direction)
            if on_side == [index] and along > STANDOFF and along > across:
                found.append(
                    Description(
                        category=target.category,
                        direction=direction,
                        anchor=(anchor.colour, anchor.category),
                    )
                )
    return found


def offset(scene: Scene, item: SceneObject, anchor: SceneObject, direction: str) -> tuple[float, float]:
    """Measures how far a shape stands from another along a direction and, unsigned, across it."""
    x, y = relative_centre(scene, item)
    anchor_x, anchor_y = relative_centre(scene, anchor)
    step_x, step_y = DIRECTIONS[direction]
    along = (x - anchor_x) * step_x + (y - anchor_y) * step_y
    return along, abs((x - anchor_x) * step_y) + abs((y - anchor_y) * step_x)


def say(rng: random.Random, description: Description) -> str:
    """Puts a description into words, in one of several ways."""
    noun = noun_for(rng, description.category)
    size = rng.choice(SIZE_WORDS[description.size]) if description.size else None
    front, behind = place_words(rng, description.place)
    colour = description.colour
    if colour and not size and not front and description.category and rng.random() < 0.15:
        behind, colour = f"that is {colour} {behind or ''}".strip(), None
    if description.direction and description.anchor:
        anchor = f"the {description.anchor[0]} {noun_for(rng, description.anchor[1])}"
        behind = f"{rng.choice(DIRECTION_WORDS[description.direction])} {anchor}"
    article = "the" if description.category is None or rng.random() < 0.4 else None
    return " ".join(word for word in (article, front, size, colour, noun, behind) if word)


def noun_for(rng: random.Random, category: str | None) -> str:
    """Names a category by its usual or, now and then, another word."""
    if category is None:
        return rng.choice(("one", "shape"))
    others: Sequence[str] = NOUNS.get(category, ())
    return rng.choice(others) if others and rng.random() < 0.2 else category


def place_words(rng: random.Random, place: str | None) -> tuple[str | None, str | None]:
    """Says a place either before or behind the noun."""
    if place is None:
        return None, None
    before, behind = PLACE_WORDS[place]
    return (rng.choice(before), None) if rng.random() < 0.5 else (None, rng.choice(behind))
