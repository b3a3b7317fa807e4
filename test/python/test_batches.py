"""Batches: packed and padded forms hold the same numbers, and memory is used again only when nobody holds it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Golden
from vilbert.batches import FILLED_MULTIPLE, Buffers
from vilbert.dataset import open_split


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_packed_batch_is_the_padded_one_without_its_padding(golden: Golden, split: str) -> None:
    dataset = open_split(golden.data, split, golden.vocabulary)
    rows = [len(dataset) - 1, 0, 3, 0]
    packed, padded = dataset.packed(rows), dataset.batch(rows)
    is_region, is_token = padded.region_mask.astype(bool), padded.token_mask.astype(bool)
    for filled, real in [
        (packed.features, padded.features[is_region]),
        (packed.locations, padded.locations[is_region]),
        (packed.tokens, padded.tokens[is_token]),
        (packed.positions, np.nonzero(is_token)[1]),
    ]:
        np.testing.assert_array_equal(filled[: len(real)], real)
        assert len(filled) % FILLED_MULTIPLE == 0
        assert len(filled) - len(real) < FILLED_MULTIPLE
        assert not filled[len(real) :].any()
    np.testing.assert_array_equal(packed.targets, padded.targets[is_region])
    assert packed.region_offsets.tolist() == [0, *np.cumsum(padded.region_counts)]
    assert packed.text_offsets.tolist() == [0, *np.cumsum(padded.token_mask.sum(1))]
    assert packed.region_offsets.dtype == packed.text_offsets.dtype == np.int32
    assert [len(targets) for targets in dataset.targets(rows)] == padded.region_counts
    np.testing.assert_array_equal(np.concatenate(dataset.targets(rows)), packed.targets)


def test_a_batch_that_is_held_keeps_its_numbers_whatever_is_assembled_after_it(golden: Golden) -> None:
    dataset = open_split(golden.data, "train", golden.vocabulary)
    held = [dataset.packed([row]) for row in range(8)]
    again = [dataset.packed([row]) for row in range(8)]
    for first, second in zip(held, again):
        np.testing.assert_array_equal(first.features, second.features)


def test_memory_is_used_again_once_nobody_holds_it() -> None:
    buffers = Buffers()
    held, other = buffers.take((4, 5)), buffers.take((2, 10))
    assert not np.shares_memory(held, other)
    address = other.ctypes.data
    del other
    assert buffers.take((3, 3)).ctypes.data == address
    part = held[1:2]
    address = held.ctypes.data
    del held
    assert buffers.take((4, 5)).ctypes.data != address, "a part is still held"
    del part
