"""The synthetic world: its files, its phrases, its features. Run: pytest test/python/test_synth.py"""

from __future__ import annotations

import base64
import json
import math
import os
import pickle
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from conftest import finish
from PIL import Image
from vilbert.errors import ConfigError
from vilbert.region_features import region_features
from vilbert.synth import Request, make_scene, synthesize
from vilbert.synth_proposals import intersection_over_union, propose_boxes
from vilbert.synth_scene import CATEGORIES, COLOURS, Scene, SceneObject

IMAGES = 40
SIDES = {
    "left": (0, -1),
    "right": (0, 1),
    "top": (1, -1),
    "upper": (1, -1),
    "bottom": (1, 1),
    "lower": (1, 1),
}
DIRECTIONS = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "over": (1, -1)}
DIRECTIONS.update({"below": (1, 1), "under": (1, 1)})
NOUNS = {"disc": "circle", "hoop": "ring", "crescent": "moon", "box": "square"}
SIZES = {"large": "big", "little": "small", "big": "big", "small": "small"}


def run(output: Path, **request: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Runs the generator to its end: its events and its result."""
    return finish(synthesize({"output": str(output), "images": IMAGES, "seed": 3, **request}))


def read_lmdb(folder: Path) -> dict[bytes, Any]:
    """Reads all entries that a test has written itself."""
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return {bytes(key): pickle.loads(value) for key, value in transaction.cursor()}


def regions(entry: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Decodes boxes and features as FORMATS has them."""
    count = entry["num_boxes"]
    boxes = np.frombuffer(base64.b64decode(entry["boxes"]), "<f4").reshape(count, 4)
    return boxes, np.frombuffer(base64.b64decode(entry["features"]), "<f4").reshape(count, 2048)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One world for all tests that only read."""
    output = tmp_path_factory.mktemp("synth") / "world"
    run(output)
    return output


@pytest.fixture(scope="module")
def scenes() -> list[tuple[Scene, dict[int, list[str]]]]:
    """Many scenes with their phrases, unpainted."""
    wanted = Request(Path("nowhere"), 250, 11, "refcoco+", force=False, relations=0.12)
    return [make_scene(wanted, index, CATEGORIES) for index in range(wanted.images)]


def test_the_files_are_those_of_a_refer_root(world: Path) -> None:
    refs = pickle.loads((world / "refcoco+/refs(unc).p").read_bytes())
    instances = json.loads((world / "refcoco+/instances.json").read_text())
    annotations = {entry["id"]: entry for entry in instances["annotations"]}
    images = {entry["id"]: entry for entry in instances["images"]}
    assert len(images) == IMAGES
    assert {ref["split"] for ref in refs} == {"train", "val", "testA", "testB"}
    sent_ids = [sentence["sent_id"] for ref in refs for sentence in ref["sentences"]]
    assert sent_ids == list(range(len(sent_ids)))
    for ref in refs:
        assert annotations[ref["ann_id"]]["image_id"] == ref["image_id"]
        assert annotations[ref["ann_id"]]["category_id"] == ref["category_id"]
        assert ref["sent_ids"] == [sentence["sent_id"] for sentence in ref["sentences"]]
        texts = [sentence["raw"] for sentence in ref["sentences"]]
        assert 2 <= len(texts) == len(set(texts)) <= 3
        assert ref["file_name"] == f"COCO_train2014_{ref['image_id']:012d}_{ref['ann_id']}.jpg"
    for entry in images.values():
        with Image.open(world / "images/mscoco/images/train2014" / entry["file_name"]) as picture:
            assert (picture.format, picture.size) == ("JPEG", (entry["width"], entry["height"]))


def test_test_a_speaks_of_round_things_and_test_b_of_others(world: Path) -> None:
    refs = pickle.loads((world / "refcoco+/refs(unc).p").read_bytes())
    named = {
        split: {CATEGORIES[ref["category_id"] - 1] for ref in refs if ref["split"] == split}
        for split in ("testA", "testB")
    }
    assert named["testA"] <= {"circle", "ring", "moon", "heart"}
    assert named["testB"] <= {"square", "triangle", "star", "cross"}


def test_both_databases_hold_every_image(world: Path) -> None:
    instances = json.loads((world / "refcoco+/instances.json").read_text())
    detected = read_lmdb(world / "refcoco+_resnet101_faster_rcnn_genome.lmdb")
    annotated = read_lmdb(world / "refcoco+_gt_resnet101_faster_rcnn_genome.lmdb")
    ids = [str(entry["id"]).encode() for entry in instances["images"]]
    assert detected.pop(b"keys") == annotated.pop(b"keys") == ids
    assert set(detected) == set(annotated) == set(ids)
    for image in instances["images"]:
        entry = detected[str(image["id"]).encode()]
        assert (entry["image_id"], entry["image_w"], entry["image_h"]) == (
            str(image["id"]),
            image["width"],
            image["height"],
        )
        boxes, features = regions(entry)
        assert 5 <= len(boxes) <= 30
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes < [image["width"], image["height"]] * 2).all()
        assert 0.3 < features.mean() < 0.5
        true_boxes, _ = regions(annotated[str(image["id"]).encode()])
        said = [a["bbox"] for a in instances["annotations"] if a["image_id"] == image["id"]]
        np.testing.assert_allclose(true_boxes, [[x, y, x + w, y + h] for x, y, w, h in said], atol=1e-3)


def test_the_same_seed_gives_the_same_world(world: Path, tmp_path: Path) -> None:
    run(tmp_path / "again")
    files = sorted(path.relative_to(world) for path in world.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    )
    for file in files:
        if file.name == "data.mdb":
            assert read_lmdb((world / file).parent) == read_lmdb((tmp_path / "again" / file).parent)
        else:
            assert (world / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_another_seed_gives_another_world(world: Path, tmp_path: Path) -> None:
    run(tmp_path / "other", seed=4, images=6)
    name = "refcoco+/refs(unc).p"
    assert (world / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_progress_reaches_the_total_and_the_result_counts(tmp_path: Path) -> None:
    events, result = run(tmp_path / "w", images=13, dataset="refcocog")
    assert [event["done"] for event in events] == [0, 10, 13]
    assert {(event["type"], event["total"]) for event in events} == {("progress", 13)}
    refs = pickle.loads((tmp_path / "w/refcocog/refs(umd).p").read_bytes())
    assert list(result["expressions"]) == ["train", "val", "test"]
    assert sum(result["expressions"].values()) == sum(len(ref["sentences"]) for ref in refs)
    assert (result["images"], result["refs"]) == (13, len(refs))


def test_every_phrase_means_exactly_one_shape_among_several(
    scenes: list[tuple[Scene, dict[int, list[str]]]],
) -> None:
    checked = 0
    for scene, phrases in scenes:
        for index, texts in phrases.items():
            category = scene.objects[index].category
            assert sum(item.category == category for item in scene.objects) >= 2
            for text in texts:
                assert understand(scene, text) == [index], text
                assert len(text.split()) <= 18
                checked += 1
    assert checked > 1500


def test_words_of_every_kind_are_needed(scenes: list[tuple[Scene, dict[int, list[str]]]]) -> None:
    texts = [text for _, phrases in scenes for said in phrases.values() for text in said]
    related = sum(any(f"{word} the " in text for word in DIRECTIONS) for text in texts)
    assert 0.02 < related / len(texts) < 0.08
    for words in (COLOURS, SIZES, SIDES):
        share = sum(any(word in text.split() for word in words) for text in texts) / len(texts)
        assert 0.25 < share < 0.75


def test_no_guess_without_words_comes_near(scenes: list[tuple[Scene, dict[int, list[str]]]]) -> None:
    guesses = {
        "largest": lambda scene: max(scene.objects, key=lambda item: item.box[2] - item.box[0]),
        "smallest": lambda scene: min(scene.objects, key=lambda item: item.box[2] - item.box[0]),
        "central": lambda scene: min(scene.objects, key=lambda item: from_middle(scene, item)),
        "most common kind": lambda scene: max(scene.objects, key=lambda item: kin(scene, item)),
    }
    for name, guess in guesses.items():
        hits = [
            scene.objects[index] is guess(scene)
            for scene, phrases in scenes
            for index in each_phrase(phrases)
        ]
        assert np.mean(hits) < 0.3, name


def test_a_reader_of_shuffled_phrases_is_lost(scenes: list[tuple[Scene, dict[int, list[str]]]]) -> None:
    rng, hits = random.Random(5), []
    for number, (scene, phrases) in enumerate(scenes):
        _, others = scenes[(number + 1) % len(scenes)]
        texts = [text for said in others.values() for text in said]
        for index in each_phrase(phrases):
            found = understand(scene, rng.choice(texts)) or range(len(scene.objects))
            hits.append(rng.choice(list(found)) == index)
    assert np.mean(hits) < 0.3


def test_nearly_every_shape_has_a_proposal(scenes: list[tuple[Scene, dict[int, list[str]]]]) -> None:
    found = []
    for number, (scene, _) in enumerate(scenes):
        proposals = propose_boxes(random.Random(number), scene)
        assert len(proposals) <= 30
        found += [
            max(intersection_over_union(item.box, box) for box in proposals) > 0.5 for item in scene.objects
        ]
    assert 0.98 <= np.mean(found) < 1


def test_features_tell_colour_and_category(world: Path) -> None:
    instances = json.loads((world / "refcoco+/instances.json").read_text())
    entries = read_lmdb(world / "refcoco+_gt_resnet101_faster_rcnn_genome.lmdb")
    features = np.concatenate([regions(entries[str(i["id"]).encode()])[1] for i in instances["images"]])
    kinds = np.array([entry["category_id"] - 1 for entry in instances["annotations"]])
    half = len(kinds) // 2
    gram = features @ features[:half].T
    wanted = np.eye(len(CATEGORIES))[kinds]
    fitted = gram @ np.linalg.solve(gram[:half] + np.eye(half), wanted[:half])
    assert np.mean(fitted[half:].argmax(1) == kinds[half:]) > 0.9


def test_features_work_on_any_picture_and_box() -> None:
    noise = np.random.RandomState(0).randint(0, 256, (90, 120), np.uint8)
    picture = Image.fromarray(noise)
    boxes = np.array(
        [[0, 0, 120, 90], [-20, -5, 15.5, 30], [119, 89, 400, 400], [7, 7, 7, 7], [60, 80, 20, 10]]
    )
    features = region_features(picture, boxes)
    assert features.shape == (5, 2048)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert (features >= 0).all()
    np.testing.assert_allclose(features.mean(1), 0.4, atol=0.05)
    np.testing.assert_allclose(region_features(picture, boxes[1:2]), features[1:2], atol=2e-3)
    assert region_features(picture, np.zeros((0, 4))).shape == (0, 2048)
    with pytest.raises(ValueError, match="finite"):
        region_features(picture, np.array([[0, 0, np.nan, 1]]))


def test_a_cancelled_run_leaves_nothing(tmp_path: Path) -> None:
    steps = synthesize({"output": str(tmp_path / "world"), "images": 40, "seed": 1})
    next(steps)
    next(steps)
    assert [path.name[:7] for path in tmp_path.iterdir()] == [".world."]
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_only_an_earlier_world_is_replaced_and_only_when_forced(tmp_path: Path) -> None:
    output = tmp_path / "world"
    output.mkdir()
    run(output, images=4)
    before = (output / "refcoco+/refs(unc).p").read_bytes()
    with pytest.raises(ConfigError, match="already holds a synthetic world"):
        run(output, images=5)
    cancelled = synthesize({"output": str(output), "images": 40, "seed": 1, "force": True})
    next(cancelled)
    cancelled.close()
    assert (output / "refcoco+/refs(unc).p").read_bytes() == before
    run(output, images=5, force=True)
    assert json.loads((output / "synth.json").read_text())["images"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["world"]
    (output / "synth.json").unlink()
    with pytest.raises(ConfigError, match="not empty"):
        run(output, images=5, force=True)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"images": 3}, "`images`"),
        ({"images": True}, "`images`"),
        ({"images": "9"}, "`images`"),
        ({"seed": -1}, "`seed`"),
        ({"seed": 1.5}, "`seed`"),
        ({"dataset": "flickr"}, "'flickr' is not known"),
        ({"relations": 2}, "`relations`"),
    ],
)
def test_a_wrong_value_is_named_before_anything_is_written(
    tmp_path: Path, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        run(tmp_path / "world", **request_)
    assert raised.value.next
    assert list(tmp_path.iterdir()) == []


def understand(scene: Scene, text: str) -> list[int]:
    """Reads a phrase by its words alone, apart from the code that wrote it: the shapes that fit it best."""
    head, anchors, direction = text, None, None
    for words in DIRECTIONS:
        if f" {words} the " in text:
            head, anchor_text = text.split(f" {words} the ")
            direction = DIRECTIONS[words]
            anchors = [scene.objects[index] for index in understand(scene, anchor_text)]
            assert len(anchors) <= 1
    words = [NOUNS.get(word, word) for word in head.split()]
    fitting = [
        index for index, item in enumerate(scene.objects) if fits(scene, item, words, anchors, direction)
    ]
    return fitting


def fits(
    scene: Scene, item: SceneObject, words: list[str], anchors: list[SceneObject] | None, direction: Any
) -> bool:
    """Tells whether each word holds of a shape; places count as the picture's halves."""
    centre = from_corner(scene, item)
    for word in words:
        if word in CATEGORIES and item.category != word:
            return False
        if word in COLOURS and item.colour != word:
            return False
        if word in SIZES and item.size != SIZES[word]:
            return False
        if word in SIDES and (centre[SIDES[word][0]] - 0.5) * SIDES[word][1] <= 0:
            return False
        if word in ("middle", "center") and max(abs(part - 0.5) for part in centre) >= 0.24:
            return False
    if anchors is None:
        return True
    axis, sign = direction
    return any((centre[axis] - from_corner(scene, anchor)[axis]) * sign > 0 for anchor in anchors)


def from_corner(scene: Scene, item: SceneObject) -> tuple[float, float]:
    return item.centre[0] / scene.width, item.centre[1] / scene.height


def from_middle(scene: Scene, item: SceneObject) -> float:
    x, y = from_corner(scene, item)
    return math.hypot(x - 0.5, y - 0.5)


def kin(scene: Scene, item: SceneObject) -> int:
    return sum(other.category == item.category for other in scene.objects)


def each_phrase(phrases: dict[int, list[str]]) -> list[int]:
    """The shape meant, once for each phrase."""
    return [index for index, texts in phrases.items() for _ in texts]


def test_what_a_killed_process_left_goes_with_the_next_world(tmp_path: Path) -> None:
    code = "import sys; from vilbert.synth import synthesize; list(synthesize(dict(output=sys.argv[1], images=400, seed=1)))"
    path = Path(__file__).parents[2] / "python"
    environment = {**os.environ, "PYTHONPATH": str(path)}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "killed")], env=environment) as process:
        while not [each for each in tmp_path.glob(".killed.*/**/*") if each.is_file()]:
            assert process.poll() is None, "the process ended before it wrote anything"
            time.sleep(0.01)
        run(tmp_path / "beside", images=4)
        assert list(tmp_path.glob(".killed.*")), "what another process is at work on stays"
        process.kill()
    run(tmp_path / "whole", images=4)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["beside", "whole"]
