"""Examples of a batch as arrays, padded or packed: everything small at once, features copied from the store."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vilbert.boxes import locations, overlap
from vilbert.features import RegionStore

MAX_REGIONS = 100  # of an image, with the global one
MIN_TRAINING_OVERLAP = 0.5  # in train, regions that overlap less are no target at all
FILLED_MULTIPLE = 32  # a product of a number of rows that is new takes milliseconds to prepare: have few
KEPT_BUFFERS = 3  # one is computed on, one is assembled, one may wait between them


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


@dataclass(frozen=True)
class PackedBatch:
    """The same examples one after the other, without padding; example i has rows offsets[i] to offsets[i + 1].

    A few rows of zeros at the end of tokens and regions belong to no example, see `FILLED_MULTIPLE`.
    """

    rows: list[int]  # positions of the examples in their split
    tokens: np.ndarray  # (filled tokens,) int64
    positions: np.ndarray  # (filled tokens,) int64, place of a token in its expression
    features: np.ndarray  # (filled regions, v_feature_size) float32
    locations: np.ndarray  # (filled regions, 5) float32
    targets: np.ndarray  # (all regions,) float32, overlap with the box that is meant
    places: np.ndarray | None  # (filled regions,) int64, the row of each where those of an image are shared
    text_offsets: np.ndarray  # (B + 1,) int32
    region_offsets: np.ndarray  # (B + 1,) int32


class ExampleTable:
    """What each example of a split is made of, as columns.

    A batch is looked up with a handful of array operations, whatever its size.
    """

    def __init__(
        self,
        token_ids: Sequence[Sequence[int]],
        boxes: Sequence[Sequence[float]],
        image_ids: Sequence[int],
        stores: Sequence[RegionStore],
        *,
        min_overlap: float,
        donors: Mapping[int, int],
        location_seed: int | None,
    ) -> None:
        """`stores` are the detected and perhaps the annotated regions, which follow without their global one.

        `donors` gives the features of some images to others; with `location_seed` the places of an image's boxes are
        exchanged.
        """
        self.token_counts = np.fromiter(map(len, token_ids), np.int64, len(token_ids))
        self._first_token = _offsets(self.token_counts)
        self._tokens = np.fromiter((i for ids in token_ids for i in ids), np.int64, self._first_token[-1])
        self._boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        self._stores = stores
        self._image_ids = image_ids
        self._donors = donors
        self._location_seed = location_seed
        self._min_overlap = min_overlap
        self._image_rows = [store.rows(image_ids) for store in stores]
        self._counts: list[np.ndarray] = []  # regions that each store adds to an example
        room = np.full(len(boxes), MAX_REGIONS)
        for number, (store, rows) in enumerate(zip(stores, self._image_rows)):
            self._counts.append(np.minimum(store.counts[rows] - min(number, 1), room))
            room = room - self._counts[-1]
        self.region_counts = MAX_REGIONS - room
        self._buffers = Buffers()

    def packed(self, rows: Sequence[int], *, shares_images: bool = False) -> PackedBatch:
        """The examples at `rows`, one after the other; with `shares_images`, features are of each image once."""
        picked = np.asarray(rows, np.int64)
        tokens, positions = self._tokens_of(picked)
        offsets = _offsets(self.region_counts[picked])
        locations, targets = self._geometry(picked, offsets)
        seen, places = picked, None
        if shares_images:
            _, firsts, image_of = np.unique(
                self._image_rows[0][picked], return_index=True, return_inverse=True
            )
            seen = picked[firsts]  # one example of each image
            first_rows = _offsets(self.region_counts[seen])
            places = _filled(_ranges(first_rows[image_of], self.region_counts[picked]))
            locations = locations[_ranges(offsets[firsts], self.region_counts[seen])]
        return PackedBatch(
            rows=list(rows),
            tokens=_filled(tokens),
            positions=_filled(positions),
            features=self._features_of(seen),
            locations=_filled(locations),
            targets=targets,
            places=places,
            text_offsets=_offsets(self.token_counts[picked]).astype(np.int32),
            region_offsets=offsets.astype(np.int32),
        )

    def _features_of(self, picked: np.ndarray) -> np.ndarray:
        offsets = _offsets(self.region_counts[picked])
        count = int(offsets[-1])
        features = self._buffers.take((_filled_count(count), self._stores[0].feature_size))
        features[count:] = 0
        for place, store, source, length in self._copies(picked, offsets[:-1]):
            features[place : place + length] = store.features[source : source + length]
        return features

    def padded(self, rows: Sequence[int], width: int | None = None, height: int | None = None) -> Batch:
        """The examples at `rows`, padded to `width` tokens and `height` regions or else to the longest of them."""
        picked = np.asarray(rows, np.int64)
        token_counts, counts = self.token_counts[picked], self.region_counts[picked]
        width, height = width or int(token_counts.max()), height or int(counts.max())
        is_token, is_region = _mask(token_counts, width), _mask(counts, height)
        places, targets = self._geometry(picked, _offsets(counts))
        batch = Batch(
            rows=list(rows),
            tokens=np.zeros((len(picked), width), np.int64),
            token_mask=is_token.astype(np.float32),
            features=self._buffers.take((len(picked), height, self._stores[0].feature_size)),
            locations=np.zeros((len(picked), height, 5), np.float32),
            region_mask=is_region.astype(np.float32),
            targets=np.zeros((len(picked), height), np.float32),
            region_counts=counts.tolist(),
        )
        batch.tokens[is_token] = self._tokens_of(picked)[0]
        batch.locations[is_region] = places
        batch.targets[is_region] = targets
        flat = batch.features.reshape(-1, batch.features.shape[2])
        starts = np.arange(len(picked)) * height
        for place, store, source, count in self._copies(picked, starts):
            flat[place : place + count] = store.features[source : source + count]
        for start, count in zip(starts.tolist(), batch.region_counts):
            flat[start + count : start + height] = 0
        return batch

    def targets(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Overlap of each region with the box that is meant, (regions,) float32 for each row; reads no features."""
        picked = np.asarray(rows, np.int64)
        offsets = _offsets(self.region_counts[picked])
        return np.split(self._geometry(picked, offsets)[1], offsets[1:-1])

    def _tokens_of(self, picked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = self.token_counts[picked]
        return self._tokens[_ranges(self._first_token[picked], counts)], _ranges(
            np.zeros_like(counts), counts
        )

    def _segments(self, picked: np.ndarray) -> list[tuple[RegionStore, np.ndarray, np.ndarray, np.ndarray]]:
        """For each store: its images, the first region that is taken of each, and how many are."""
        segments = []
        for number, (store, rows, counts) in enumerate(zip(self._stores, self._image_rows, self._counts)):
            segments.append((store, rows[picked], store.first[rows[picked]] + min(number, 1), counts[picked]))
        return segments

    def _copies(self, picked: np.ndarray, starts: np.ndarray) -> list[tuple[int, RegionStore, int, int]]:
        """(place in the batch, store, place in the store, count) of each run of features."""
        if self._donors:
            return self._donated(picked, starts)
        copies: list[tuple[int, RegionStore, int, int]] = []
        for store, _, first, counts in self._segments(picked):
            copies += [
                (place, store, source, count)
                for place, source, count in zip(starts.tolist(), first.tolist(), counts.tolist())
            ]
            starts = starts + counts
        return copies

    def _donated(self, picked: np.ndarray, starts: np.ndarray) -> list[tuple[int, RegionStore, int, int]]:
        """Runs of one: global region for global region; the others in turn, as often as there are boxes to fill."""
        copies: list[tuple[int, RegionStore, int, int]] = []
        for row, start in zip(picked.tolist(), starts.tolist()):
            own = self._image_ids[row]
            given = self._regions_of(self._donors.get(own, own))
            for place in range(self.region_counts[row]):
                taken = 1 + (place - 1) % (len(given) - 1) if place and len(given) > 1 else 0
                copies.append((start + place, *given[taken], 1))
        return copies

    def _regions_of(self, image_id: int) -> list[tuple[RegionStore, int]]:
        regions: list[tuple[RegionStore, int]] = []
        for number, store in enumerate(self._stores):
            [row] = store.rows([image_id]).tolist()
            first, last = store.first[row : row + 2].tolist()
            regions += [(store, region) for region in range(first + min(number, 1), last)]
        return regions[:MAX_REGIONS]

    def _geometry(self, picked: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Locations (all regions, 5) and targets (all regions,), packed."""
        places = np.empty((offsets[-1], 5), np.float32)
        targets = np.empty(offsets[-1], np.float32)
        starts = offsets[:-1]
        for store, images, first, counts in self._segments(picked):
            target_rows, boxes = _ranges(starts, counts), store.boxes[_ranges(first, counts)]
            sizes = np.repeat(store.sizes[images], counts, axis=0)
            places[target_rows] = locations(boxes, sizes[:, 0], sizes[:, 1])
            meant = np.repeat(self._boxes[picked], counts, axis=0)
            targets[target_rows] = overlap(boxes, meant.T)
            starts = starts + counts
        places[offsets[:-1]] = (0, 0, 1, 1, 1)
        if self._location_seed is not None:
            self._exchange(places, picked, offsets, self._location_seed)
        targets[targets < self._min_overlap] = 0
        return places, targets

    def _exchange(self, places: np.ndarray, picked: np.ndarray, offsets: np.ndarray, seed: int) -> None:
        for row, start, stop in zip(picked.tolist(), offsets[:-1].tolist(), offsets[1:].tolist()):
            if stop - start <= 2:
                continue
            seeds = np.random.SeedSequence([seed, self._image_ids[row]])
            order = 1 + np.random.Generator(np.random.Philox(seeds)).permutation(stop - start - 1)
            # Round by one in a random order: no box keeps its own place.
            own = places[start:stop]
            own[order] = own[np.roll(order, 1)]


class Buffers:
    """Memory of batches that nobody holds any more, used again: fresh pages cost more than what is copied in."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._lock = threading.Lock()
        self._unused = _references([np.empty(0)], 0)

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """A float32 array of any content."""
        size = math.prod(shape)
        with self._lock:
            for place in range(len(self._kept)):
                # Held by this list and by the call alone: every array that was given out of it is gone.
                if self._kept[place].size >= size and _references(self._kept, place) == self._unused:
                    return self._kept[place][:size].reshape(shape)
            self._kept = [*self._kept, np.empty(size, np.float32)][-KEPT_BUFFERS:]
            return self._kept[-1][:size].reshape(shape)


def _references(arrays: list[np.ndarray], place: int) -> int:
    return sys.getrefcount(arrays[place])


def _filled_count(count: int) -> int:
    return count + -count % FILLED_MULTIPLE


def _filled(rows: np.ndarray) -> np.ndarray:
    missing = _filled_count(len(rows)) - len(rows)
    return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """start, start + 1, … of each count, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)


def _mask(counts: np.ndarray, length: int) -> np.ndarray:
    return np.arange(length) < counts[:, None]
