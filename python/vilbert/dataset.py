"""Referring expressions joined with the regions of their images, as padded batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vilbert.boxes import locations, overlap
from vilbert.errors import DataError
from vilbert.features import ImageRegions, RegionStore
from vilbert.tokenizer import ExpressionTokenizer

MAX_REGIONS = 100  # of an image, with the global one
MIN_TRAINING_OVERLAP = 0.5  # in train, regions that overlap less are no target at all


@dataclass(frozen=True)
class Expression:
    """One sentence and the box it refers to."""

    sent_id: int
    ref_id: int
    image_id: int
    box: tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels
    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Examples padded to the longest of them; everything a step needs, as numpy arrays."""

    rows: list[int]  # positions of the examples in their split
    tokens: np.ndarray  # (B, T) int64
    token_mask: np.ndarray  # (B, T) float32
    features: np.ndarray  # (B, R, v_feature_size) float32
    locations: np.ndarray  # (B, R, 5) float32
    region_mask: np.ndarray  # (B, R) float32
    targets: np.ndarray  # (B, R) float32, overlap with the box that is meant
    region_counts: list[int]


class ReferringDataset:
    """All expressions of one split, in file order, with the regions of their images.

    `train` mixes the annotated boxes into the detected ones; the other splits see what the detector saw.
    """

    def __init__(
        self,
        split: str,
        expressions: list[Expression],
        detected: RegionStore,
        annotated: RegionStore | None,
    ) -> None:
        if not expressions:
            raise DataError(f"The split '{split}' has no expressions.", "Choose another --split.")
        self.split = split
        self.expressions = expressions
        self._detected = detected
        self._annotated = annotated
        self._donors: Mapping[int, int] = {}  # image ids; whose features an image is shown with
        self._location_seed: int | None = None
        for image_id in {expression.image_id for expression in expressions}:
            for store in filter(None, (detected, annotated)):
                if image_id not in store:
                    raise DataError(
                        f"Image {image_id} of split '{split}' has no region features in {store.source}."
                    )

    def __len__(self) -> int:
        return len(self.expressions)

    def with_expressions(self, expressions: list[Expression]) -> ReferringDataset:
        """The same split with other expressions about its images."""
        other = copy(self)
        other.expressions = expressions
        return other

    def with_features_of(self, donors: Mapping[int, int]) -> ReferringDataset:
        """The same boxes and phrases, but each image shows the features of the image that `donors` names."""
        other = copy(self)
        other._donors = donors
        return other

    def with_exchanged_locations(self, seed: int) -> ReferringDataset:
        """The same features and phrases, but the model is told of each box the place of another box of its image."""
        other = copy(self)
        other._location_seed = seed
        return other

    @property
    def feature_size(self) -> int:
        """Numbers in a region's feature."""
        return self._detected.feature_size

    def region_count(self, row: int) -> int:
        """Regions of an example, without touching their features."""
        image_id = self.expressions[row].image_id
        count = self._detected.count(image_id)
        if self._annotated is not None:
            count += self._annotated.count(image_id) - 1
        return min(count, MAX_REGIONS)

    def regions(self, row: int) -> list[ImageRegions]:
        """The parts whose rows make up an example's regions, detected first, cut to 100 in all."""
        image_id = self.expressions[row].image_id
        parts = self._own_regions(image_id)
        if image_id not in self._donors:
            return parts
        given = np.concatenate([part.features for part in self._own_regions(self._donors[image_id])])
        # Global for global; the others in turn, as often as there are boxes to fill.
        count = sum(len(part.boxes) for part in parts)
        others = [1 + box % (len(given) - 1) if len(given) > 1 else 0 for box in range(count - 1)]
        given, shown = given[[0, *others]], []
        for part in parts:
            shown.append(replace(part, features=given[: len(part.boxes)]))
            given = given[len(part.boxes) :]
        return shown

    def locations(self, row: int) -> np.ndarray:
        """What the model is told of where an example's regions are, (regions, 5) float32."""
        image_id = self.expressions[row].image_id
        parts = self._own_regions(image_id)
        places = np.concatenate([locations(part.boxes, part.width, part.height) for part in parts])
        places[0] = (0, 0, 1, 1, 1)
        if self._location_seed is not None and len(places) > 2:
            seeds = np.random.SeedSequence([self._location_seed, image_id])
            order = 1 + np.random.Generator(np.random.Philox(seeds)).permutation(len(places) - 1)
            # Round by one in a random order: no box keeps its own place.
            places[order] = places[np.roll(order, 1)]
        return places

    def _own_regions(self, image_id: int) -> list[ImageRegions]:
        parts = [_cut(self._detected[image_id], 0, MAX_REGIONS)]
        room = MAX_REGIONS - len(parts[0].boxes)
        if self._annotated is not None and room > 0:
            parts.append(_cut(self._annotated[image_id], 1, 1 + room))
        return parts

    def batch(self, rows: Sequence[int], *, tokens: int | None = None, regions: int | None = None) -> Batch:
        """Assembles examples, padded to `tokens` and `regions` or else to the longest of them."""
        picked = [self.expressions[row] for row in rows]
        width = tokens or max(len(expression.token_ids) for expression in picked)
        height = regions or max(self.region_count(row) for row in rows)
        count = len(rows)
        batch = Batch(
            rows=list(rows),
            tokens=np.zeros((count, width), np.int64),
            token_mask=np.zeros((count, width), np.float32),
            features=np.zeros((count, height, self.feature_size), np.float32),
            locations=np.zeros((count, height, 5), np.float32),
            region_mask=np.zeros((count, height), np.float32),
            targets=np.zeros((count, height), np.float32),
            region_counts=[],
        )
        for place, (row, expression) in enumerate(zip(rows, picked)):
            batch.tokens[place, : len(expression.token_ids)] = expression.token_ids
            batch.token_mask[place, : len(expression.token_ids)] = 1
            batch.region_counts.append(self._place_regions(batch, place, row, expression.box))
        return batch

    def targets(self, row: int) -> np.ndarray:
        """Overlap of each region with the box that is meant, (regions,) float32, without touching features."""
        expression = self.expressions[row]
        box = np.asarray(expression.box, np.float64)
        parts = self._own_regions(expression.image_id)
        targets = np.concatenate([overlap(part.boxes, box) for part in parts]).astype(np.float32)
        if self.split == "train":
            targets[targets < MIN_TRAINING_OVERLAP] = 0
        return targets

    def _place_regions(self, batch: Batch, place: int, row: int, box: Sequence[float]) -> int:
        start = 0
        for part in self.regions(row):
            stop = start + len(part.boxes)
            batch.features[place, start:stop] = part.features
            batch.targets[place, start:stop] = overlap(part.boxes, np.asarray(box, np.float64))
            start = stop
        batch.locations[place, :start] = self.locations(row)
        batch.region_mask[place, :start] = 1
        if self.split == "train":
            targets = batch.targets[place]
            targets[targets < MIN_TRAINING_OVERLAP] = 0
        return start


def _cut(regions: ImageRegions, start: int, stop: int) -> ImageRegions:
    return ImageRegions(
        regions.features[start:stop], regions.boxes[start:stop], regions.width, regions.height
    )


def in_order(rows: Sequence[int], batch_size: int) -> Iterator[Sequence[int]]:
    """Cuts rows into batches without changing their order; the last one may be smaller."""
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]


def by_length(dataset: ReferringDataset, batch_size: int) -> list[list[int]]:
    """Batches of similar length, so that little of a batch is padding; longest first, to find out early."""
    lengths = [(dataset.region_count(row), len(e.token_ids)) for row, e in enumerate(dataset.expressions)]
    rows = sorted(range(len(dataset)), key=lambda row: lengths[row], reverse=True)
    return [list(batch) for batch in in_order(rows, batch_size)]


# What one more forward and backward pass costs beside its regions, in regions: starting operators in a small model,
# adding up gradients in a big one. Measured as about 90 (7 M parameters) and 40 (276 M).
PASS_COST_REGIONS = 80


def groups_of_similar_length(rows: Sequence[int], region_counts: Sequence[int]) -> list[list[int]]:
    """Cuts the rows of a step into the groups that cost least when each is padded to its longest.

    Gradients of the groups add up to those of the whole: only padding is saved.
    """
    by_count: dict[int, list[int]] = {}
    for row, count in zip(rows, region_counts):
        by_count.setdefault(count, []).append(row)
    counts = sorted(by_count, reverse=True)
    ahead = [0]  # rows with one of the first n counts
    for count in counts:
        ahead.append(ahead[-1] + len(by_count[count]))
    cheapest: list[tuple[float, int]] = [
        (0.0, 0)
    ]  # cost of the first n counts, and where their last group starts
    for stop in range(1, len(counts) + 1):
        cheapest.append(
            min(
                (cheapest[start][0] + counts[start] * (ahead[stop] - ahead[start]) + PASS_COST_REGIONS, start)
                for start in range(stop)
            )
        )
    groups: list[list[int]] = []
    stop = len(counts)
    while stop > 0:
        start = cheapest[stop][1]
        groups.append([row for count in counts[start:stop] for row in by_count[count]])
        stop = start
    return groups


@lru_cache(maxsize=4)
def open_regions(path: str, source: str) -> RegionStore:
    """A region store, opened once; `source` is the LMDB that it was made of."""
    return RegionStore(path, source)


@lru_cache(maxsize=1)
def open_tokenizer(vocabulary_path: str) -> ExpressionTokenizer:
    """The tokenizer, made once."""
    return ExpressionTokenizer(vocabulary_path)


def ids_in_data(path: str, by: str) -> set[int]:
    """Every sentence id (`by` is "sent") or ref id ("ref") of an expressions file, whatever its split."""
    refs = _read_expressions(path)["refs"]
    if by == "ref":
        return {ref["refId"] for ref in refs}
    return {sentence["sentId"] for ref in refs for sentence in ref["sentences"]}


@lru_cache(maxsize=1)
def _read_expressions(path: str) -> dict[str, Any]:
    with Path(path).open(encoding="utf-8") as file:
        return json.load(file)


def open_split(
    data: dict[str, Any], split: str, vocabulary_path: str, limit: int | None = None
) -> ReferringDataset:
    """Opens a split of the trusted forms, or only its first `limit` expressions.

    `data` is `{"expressionsFile", "detectedFile", "annotatedFile", "detectedSource", "annotatedSource"}`.
    """
    refs = _read_expressions(data["expressionsFile"])["refs"]
    expressions = list(_expressions_of(refs, split, open_tokenizer(vocabulary_path)))[:limit]
    detected = open_regions(data["detectedFile"], data["detectedSource"])
    annotated = open_regions(data["annotatedFile"], data["annotatedSource"]) if split == "train" else None
    return ReferringDataset(split, expressions, detected, annotated)


def _expressions_of(
    refs: Iterable[dict[str, Any]], split: str, tokenizer: ExpressionTokenizer
) -> Iterator[Expression]:
    chosen = [(ref, sentence) for ref in refs if ref["split"] == split for sentence in ref["sentences"]]
    token_ids = tokenizer.encode([sentence["text"] for _, sentence in chosen])
    for (ref, sentence), ids in zip(chosen, token_ids):
        yield Expression(
            sent_id=sentence["sentId"],
            ref_id=ref["refId"],
            image_id=ref["imageId"],
            box=tuple(ref["box"]),
            text=sentence["text"],
            token_ids=tuple(ids),
        )
