"""What `eval --ablate` takes away, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Golden
from vilbert.ablations import ablated, shuffled_words
from vilbert.dataset import ReferringDataset, open_split, open_tokenizer

SPLITS = ("train", "val")


def without(
    golden: Golden, split: str, what: str, seed: int = 0
) -> tuple[ReferringDataset, ReferringDataset]:
    """A split, and the same with something taken away."""
    whole = open_split(golden.data, split, golden.vocabulary)
    return whole, ablated(whole, what, seed, open_tokenizer(golden.vocabulary))


@pytest.mark.parametrize("split", SPLITS)
def test_image_keeps_everything_but_the_features_which_are_those_of_another_image(
    golden: Golden, split: str
) -> None:
    whole, less = without(golden, split, "image")
    rows = range(len(whole))
    before, after = whole.batch(rows), less.batch(rows)
    for name in ("tokens", "token_mask", "locations", "region_mask", "targets"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    features = {e.image_id: before.features[row] for row, e in enumerate(whole.expressions)}
    donors: dict[int, int] = {}
    for row, expression in enumerate(whole.expressions):
        own, given = before.features[row], after.features[row]
        donor = next(image for image, other in features.items() if np.array_equal(other[0], given[0]))
        assert donor != expression.image_id
        assert donors.setdefault(expression.image_id, donor) == donor
        count = before.region_counts[row]
        assert not np.array_equal(own[:count], given[:count])
        assert all((features[donor] == feature).all(1).any() for feature in given[:count])
        assert not given[count:].any()
    assert sorted(donors.values()) == sorted(donors)


@pytest.mark.parametrize("split", SPLITS)
def test_location_gives_every_box_the_place_of_another_box_of_its_image(golden: Golden, split: str) -> None:
    whole, less = without(golden, split, "location")
    rows = range(len(whole))
    before, after = whole.batch(rows), less.batch(rows)
    for name in ("tokens", "features", "region_mask", "targets"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    for row, count in enumerate(before.region_counts):
        own, given = before.locations[row], after.locations[row]
        assert np.array_equal(own[0], given[0])
        assert np.array_equal(own[count:], given[count:])
        assert sorted(map(tuple, own.tolist())) == sorted(map(tuple, given.tolist()))
        if len({tuple(place) for place in own[1:count].tolist()}) == count - 1 > 1:
            assert (own[1:count] != given[1:count]).any(1).all()


def test_order_keeps_the_words_of_a_phrase_and_changes_their_order(golden: Golden) -> None:
    whole, less = without(golden, "train", "order")
    changed = 0
    for before, after in zip(whole.expressions, less.expressions):
        assert sorted(before.text.split()) == sorted(after.text.split())
        assert (before.sent_id, before.image_id, before.box) == (after.sent_id, after.image_id, after.box)
        if len(set(before.text.split())) > 1:
            changed += 1
            assert before.text.split() != after.text.split()
            assert before.token_ids != after.token_ids
    assert changed > 0


def test_text_gives_every_image_a_phrase_that_was_said_of_another(golden: Golden) -> None:
    whole, less = without(golden, "train", "text")
    said: dict[str, set[int]] = {}
    for expression in whole.expressions:
        said.setdefault(expression.text, set()).add(expression.image_id)
    assert sorted(e.text for e in whole.expressions) == sorted(e.text for e in less.expressions)
    assert all(said[e.text] - {e.image_id} for e in less.expressions)


@pytest.mark.parametrize("what", ["text", "image", "location", "order"])
def test_a_seed_always_takes_away_the_same_and_another_seed_takes_another(golden: Golden, what: str) -> None:
    first, again, other = (without(golden, "train", what, seed)[1].batch(range(8)) for seed in (0, 0, 1))
    names = ("tokens", "features", "locations")
    assert all(np.array_equal(getattr(first, name), getattr(again, name)) for name in names)
    assert any(
        getattr(first, name).shape != getattr(other, name).shape
        or not np.array_equal(getattr(first, name), getattr(other, name))
        for name in names
    )


def test_a_phrase_that_has_no_other_order_stays_as_it_is() -> None:
    assert shuffled_words("giraffe", 0, 1) == "giraffe"
    assert shuffled_words("red red", 0, 1) == "red red"
    assert shuffled_words("a b", 0, 1) == "b a"
