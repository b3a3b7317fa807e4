"""Referring expressions joined with the regions of their images, as padded batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vilbert.batches import MIN_TRAINING_OVERLAP, Batch, ExampleTable, PackedBatch
from vilbert.errors import DataError
from vilbert.features import RegionStore
from vilbert.tokenizer import ExpressionTokenizer


@dataclass(frozen=True)
class Expression:
    """One sentence and the box it refers to."""

    sent_id: int
    ref_id: int
    image_id: int
    box: tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels
    text: str
    token_ids: tuple[int, ...]


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
        for store in filter(None, (detected, annotated)):
            for image_id in {expression.image_id for expression in expressions}:
                if image_id not in store:
                    raise DataError(
                        f"Image {image_id} of split '{split}' has no region features in {store.source}."
                    )
        self._table = self._make_table()

    def _make_table(self) -> ExampleTable:
        return ExampleTable(
            [expression.token_ids for expression in self.expressions],
            [expression.box for expression in self.expressions],
            [expression.image_id for expression in self.expressions],
            [self._detected] if self._annotated is None else [self._detected, self._annotated],
            min_overlap=MIN_TRAINING_OVERLAP if self.split == "train" else 0.0,
            donors=self._donors,
            location_seed=self._location_seed,
        )

    def __len__(self) -> int:
        return len(self.expressions)

    def with_expressions(self, expressions: list[Expression]) -> ReferringDataset:
        """The same split with other expressions about its images."""
        other = copy(self)
        other.expressions = expressions
        other._table = other._make_table()
        return other

    def with_features_of(self, donors: Mapping[int, int]) -> ReferringDataset:
        """The same boxes and phrases, but each image shows the features of the image that `donors` names."""
        other = copy(self)
        other._donors = donors
        other._table = other._make_table()
        return other

    def with_exchanged_locations(self, seed: int) -> ReferringDataset:
        """The same features and phrases, but the model is told of each box the place of another box of its image."""
        other = copy(self)
        other._location_seed = seed
        other._table = other._make_table()
        return other

    @property
    def feature_size(self) -> int:
        """Numbers in a region's feature."""
        return self._detected.feature_size

    def region_count(self, row: int) -> int:
        """Regions of an example, at most 100, without touching their features."""
        return int(self._table.region_counts[row])

    def batch(self, rows: Sequence[int], *, tokens: int | None = None, regions: int | None = None) -> Batch:
        """Assembles examples, padded to `tokens` and `regions` or else to the longest of them."""
        return self._table.padded(rows, tokens, regions)

    def packed(self, rows: Sequence[int], *, shares_images: bool = False) -> PackedBatch:
        """Assembles examples one after the other, without padding; the features of each image once if it is shared."""
        return self._table.packed(rows, shares_images=shares_images)

    def targets(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Overlap of each region with the box that is meant, (regions,) float32, without touching features."""
        return self._table.targets(rows)


def in_order(rows: Sequence[int], batch_size: int) -> Iterator[Sequence[int]]:
    """Cuts rows into batches without changing their order; the last one may be smaller."""
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]


def by_length(dataset: ReferringDataset, batch_size: int, multiple: int = 1) -> list[list[int]]:
    """Batches of similar length, so that little of a batch is padding; regions count as padded to a multiple."""
    return _batches_by(lambda row: -len(dataset.expressions[row].token_ids), dataset, batch_size, multiple)


def by_image(dataset: ReferringDataset, batch_size: int) -> list[list[int]]:
    """Batches that keep the expressions of an image together."""
    return _batches_by(lambda row: dataset.expressions[row].image_id, dataset, batch_size)


def _batches_by(
    key: Callable[[int], int], dataset: ReferringDataset, batch_size: int, multiple: int = 1
) -> list[list[int]]:
    """Most regions first, to find out early whether they fit; where they are as many (of `multiple`), by the key."""
    rows = sorted(range(len(dataset)), key=lambda row: (-dataset.region_count(row) // multiple, key(row)))
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
