"""Every number of `report` and `compare`, computed again from the result files with numpy and scipy."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.special import expit
from scipy.stats import binomtest

ROOT = Path(__file__).parents[2]
SPLITS = ("val", "testA", "testB")
REPLICATES, SEED = 2000, 42

PREPARE = """
import {prepareData} from './dist/src/data/prepare.js'
const [dataRoot] = process.argv.slice(1)
console.log(JSON.stringify(await prepareData({dataRoot, dataset: 'refcoco+', annotated: false})))
"""

MCNEMAR = """
import {mcnemar} from './dist/src/report/mcnemar.js'
const pairs = JSON.parse(process.argv[1])
console.log(JSON.stringify(pairs.map(([a, b]) => mcnemar(a, b))))
"""


@dataclass(frozen=True)
class Truth:
    """A sentence, and what the region store and the annotations say of it."""

    split: str
    sent_id: int
    ref_id: int
    ann_id: int
    image_id: int
    category: int
    text: str
    box: np.ndarray  # x1, y1, x2, y2 in pixels
    overlaps: np.ndarray  # (regions,) float32
    area_share: float


@dataclass(frozen=True)
class World:
    """A made data root, with its files read by their own libraries."""

    root: Path
    fingerprint: str
    sentences: list[Truth]
    boxes: dict[int, np.ndarray]  # regions of each image
    objects: dict[int, list[dict[str, Any]]]  # annotations of each image
    categories: dict[int, str]

    def of(self, split: str) -> list[Truth]:
        """The sentences of a split in data order."""
        return [sentence for sentence in self.sentences if sentence.split == split]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A hundred pictures of shapes."""
    root = tmp_path_factory.mktemp("report") / "data"
    cli("data", "synth", "--output", str(root), "--images", "100", "--seed", "1")
    prepared = json.loads(node(PREPARE, str(root)))
    known = json.loads(Path(prepared["expressionsFile"]).read_text())
    sizes = {image["id"]: image["width"] * image["height"] for image in known["images"]}
    tensors = load_file(prepared["detectedFile"])
    bounds = tensors["first_region"]
    boxes = {
        int(image): tensors["boxes"][bounds[place] : bounds[place + 1]][:100].astype(np.float64)
        for place, image in enumerate(tensors["image_ids"])
    }
    instances = json.loads((root / "refcoco+" / "instances.json").read_text())
    objects: dict[int, list[dict[str, Any]]] = {}
    for annotation in instances["annotations"]:
        objects.setdefault(annotation["image_id"], []).append(annotation)
    sentences = [
        Truth(
            split=ref["split"],
            sent_id=sentence["sentId"],
            ref_id=ref["refId"],
            ann_id=ref["annId"],
            image_id=ref["imageId"],
            category=ref["categoryId"],
            text=sentence["text"],
            box=(box := np.array(ref["box"])),
            overlaps=iou(boxes[ref["imageId"]], box).astype(np.float32),
            area_share=(box[2] - box[0]) * (box[3] - box[1]) / sizes[ref["imageId"]],
        )
        for ref in known["refs"]
        for sentence in ref["sentences"]
    ]
    categories = {category["id"]: category["name"] for category in known["categories"]}
    return World(root, prepared["fingerprint"], sentences, boxes, objects, categories)


@pytest.fixture(scope="module")
def runs(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two runs whose answers are made up, one better than the other; their weights are never read."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: make_run(world, folder / name, seed, skill)
        for name, seed, skill in (("A", 1, 2.0), ("B", 2, 3.0))
    }


@pytest.fixture(scope="module")
def report(world: World, runs: dict[str, Path]) -> dict[str, Any]:
    """What `report --json` says."""
    return json.loads(cli("report", str(runs["A"]), "--data-root", str(world.root), "--json"))


def test_accuracy_ceiling_and_recall_are_those_of_the_result_file(
    world: World, runs: dict[str, Path], report: dict[str, Any]
) -> None:
    assert [split["split"] for split in report["splits"]] == list(SPLITS)
    assert report["bootstrap"] == {"replicates": REPLICATES, "seed": SEED, "confidence": 0.95}
    for split in report["splits"]:
        truths, rows = world.of(split["split"]), rows_of(runs["A"], split["split"])
        right = [row["IOU"] > 0.5 for row in rows]
        reachable = [bool(truth.overlaps.max() > 0.5) for truth in truths]
        assert split["sentences"] == len(truths)
        assert split["refs"] == len({truth.ref_id for truth in truths})
        assert split["images"] == len({truth.image_id for truth in truths})
        assert split["accuracy"] == estimate(truths, right)
        assert split["ceiling"] == estimate(truths, reachable)
        among = [place for place, possible in enumerate(reachable) if possible]
        assert split["choice"] == estimate([truths[p] for p in among], [right[p] for p in among])
        assert split["meanOverlap"] == pytest.approx(np.mean([row["IOU"] for row in rows]), rel=1e-12)
        for recall in split["recall"]:
            found = [within(truth, row, recall["k"]) for truth, row in zip(truths, rows)]
            assert recall == {"k": recall["k"], **estimate(truths, found)}
        assert [recall["k"] for recall in split["recall"]] == [1, 5, 10]
        assert split["recall"][0]["count"] == split["accuracy"]["count"]


def test_thresholds_and_calibration_are_those_of_the_result_file(
    world: World, runs: dict[str, Path], report: dict[str, Any]
) -> None:
    for split in report["splits"]:
        truths, rows = world.of(split["split"]), rows_of(runs["A"], split["split"])
        chosen = np.array([row["IOU"] for row in rows])
        best = np.array([truth.overlaps.max() for truth in truths], np.float64)
        assert len(split["thresholds"]) == 19
        for place, point in enumerate(split["thresholds"]):
            assert point["iou"] == (place + 1) / 20
            assert point["chosen"] == (chosen > point["iou"]).mean()
            assert point["best"] == (best > point["iou"]).mean()
        scores = expit([max(row["logits"]) for row in rows])
        bins = np.minimum((scores * 10).astype(int), 9)
        expected = 0.0
        assert [round(10 * each["from"]) for each in split["calibration"]["bins"]] == sorted(
            set(bins.tolist())
        )
        for each in split["calibration"]["bins"]:
            own = bins == round(10 * each["from"])
            assert each["total"] == own.sum()
            assert each["meanScore"] == pytest.approx(scores[own].mean(), rel=1e-12)
            assert each["meanOverlap"] == pytest.approx(chosen[own].mean(), rel=1e-12, abs=1e-15)
            assert each["accuracy"] == pytest.approx((chosen[own] > 0.5).mean(), rel=1e-12)
            expected += own.mean() * abs(scores[own].mean() - chosen[own].mean())
        assert split["calibration"]["expectedError"] == pytest.approx(expected, rel=1e-9)


def test_the_error_split_follows_its_definition(
    world: World, runs: dict[str, Path], report: dict[str, Any]
) -> None:
    seen: Counter[str] = Counter()
    for split in report["splits"]:
        ended = [
            ending(world, truth, row)
            for truth, row in zip(world.of(split["split"]), rows_of(runs["A"], split["split"]))
        ]
        counts = Counter(outcome for outcome, _ in ended)
        names = ("right", "noProposal", "nearMiss", "wrongInstance", "otherCategory")
        assert split["outcomes"] == {name: counts[name] for name in names}
        assert split["onNothing"] == sum(end == ("otherCategory", True) for end in ended)
        seen += counts
        seen["onNothing"] += split["onNothing"]
    assert min(seen.values()) > 0, f"the made answers leave something out: {seen}"
    assert len(seen) == 6


def test_slices_add_up_and_have_the_accuracy_of_their_sentences(
    world: World, runs: dict[str, Path], report: dict[str, Any]
) -> None:
    lengths = ["1 word", "2 words", "3 words", "4 words", "5 words", *["6 to 8 words"] * 3, "9 words or more"]
    sizes = ["under 2 %", "2 to 5 %", "5 to 10 %", "10 to 20 %", "20 to 40 %", "40 % or more"]
    bounds = [0.02, 0.05, 0.1, 0.2, 0.4]

    def rivals(truth: Truth) -> str:
        count = sum(each["category_id"] == truth.category for each in world.objects[truth.image_id]) - 1
        return str(count) if count < 5 else "5 or more"

    ways: dict[str, Callable[[Truth], str]] = {
        "category": lambda truth: world.categories[truth.category],
        "phraseLength": lambda truth: lengths[min(len(truth.text.split()), 9) - 1],
        "boxSize": lambda truth: sizes[int(np.searchsorted(bounds, truth.area_share, side="right"))],
        "rivals": rivals,
    }
    for split in report["splits"]:
        truths, rows = world.of(split["split"]), rows_of(runs["A"], split["split"])
        for way, name_of in ways.items():
            slices = split["slices"][way]
            assert sum(each["total"] for each in slices) == len(truths)
            for each in slices:
                own = [place for place, truth in enumerate(truths) if name_of(truth) == each["name"]]
                part = [truths[place] for place in own]
                wanted = estimate(part, [rows[place]["IOU"] > 0.5 for place in own])
                ceiling = np.mean([truth.overlaps.max() > 0.5 for truth in part])
                assert each == {"name": each["name"], **wanted, "ceiling": pytest.approx(ceiling, rel=1e-12)}
        words = {each["name"]: each["total"] for each in split["slices"]["words"]}
        colours = {"red", "orange", "yellow", "green", "blue", "purple", "black", "white"}
        assert words["colour"] == sum(bool(colours & set(truth.text.split())) for truth in truths)


def test_compare_pairs_sentences_and_tests_the_difference(world: World, runs: dict[str, Path]) -> None:
    told = cli(
        "compare", str(runs["A"]), str(runs["B"]), "--split", "val", "--data-root", str(world.root), "--json"
    )
    compared = json.loads(told)
    truths = world.of("val")
    a = np.array([row["IOU"] > 0.5 for row in rows_of(runs["A"], "val")])
    b = np.array([row["IOU"] > 0.5 for row in rows_of(runs["B"], "val")])
    assert compared["a"] == estimate(truths, a.tolist())
    assert compared["b"] == estimate(truths, b.tolist())
    differences = (b.astype(int) - a.astype(int)).tolist()
    low, high = clustered(truths, differences)
    assert compared["difference"] == {"value": sum(differences) / len(truths), "low": low, "high": high}
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    assert (compared["onlyA"], compared["onlyB"]) == (only_a, only_b)
    assert (compared["bothRight"], compared["bothWrong"]) == (int((a & b).sum()), int((~a & ~b).sum()))
    assert compared["mcnemarP"] == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, rel=1e-10)
    changed = [(truth.sent_id, bool(after)) for truth, before, after in zip(truths, a, b) if before != after]
    assert [(change["sentId"], change["gained"]) for change in compared["changes"]] == changed


def test_mcnemar_is_the_exact_binomial_test() -> None:
    pairs = [(a, b) for a in range(12) for b in range(12)]
    pairs += [(300, 420), (420, 300), (1000, 1000), (1999, 2200), (5000, 5150), (0, 900), (3, 700), (2, 0)]
    for (a, b), p in zip(pairs, json.loads(node(MCNEMAR, json.dumps(pairs)))):
        wanted = binomtest(a, a + b).pvalue if a + b > 0 else 1
        assert p == pytest.approx(wanted, rel=1e-9), (a, b)


def iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU in the +1 pixel convention."""
    corners = np.concatenate([np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])], axis=1)
    common = np.prod(np.clip(corners[:, 2:] - corners[:, :2] + 1, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    return common / (areas + np.prod(box[2:] - box[:2] + 1) - common)


def ending(world: World, truth: Truth, row: dict[str, Any]) -> tuple[str, bool]:
    """How an answer ended, and whether the chosen box lies on nothing annotated."""
    chosen = world.boxes[truth.image_id][row["target"]][None]
    objects = world.objects[truth.image_id]
    corners = [np.array([x, y, x + w, y + h]) for x, y, w, h in (each["bbox"] for each in objects)]
    common = [float(iou(chosen, each).astype(np.float32)[0]) for each in corners]
    best = max(common)
    owners = [each for each, most in zip(objects, common) if most == best and best >= 0.1]
    if row["IOU"] > 0.5:
        return "right", not owners
    if truth.overlaps.max() <= 0.5:
        return "noProposal", not owners
    if truth.ann_id in [owner["id"] for owner in owners]:
        return "nearMiss", False
    if owners and owners[0]["category_id"] == truth.category:
        return "wrongInstance", False
    return "otherCategory", not owners


def within(truth: Truth, row: dict[str, Any], k: int) -> bool:
    """Whether one of the k best regions is right."""
    best = np.argsort(-np.array(row["logits"]), kind="stable")[:k]
    return bool((truth.overlaps[best] > 0.5).any())


def estimate(truths: list[Truth], holds: list[bool]) -> dict[str, Any]:
    """A share with its interval, as the report has it."""
    low, high = clustered(truths, [int(each) for each in holds])
    return {
        "count": sum(holds),
        "total": len(holds),
        "share": sum(holds) / len(holds),
        "low": low,
        "high": high,
    }


def clustered(truths: Iterable[Truth], values: list[int]) -> tuple[float | None, float | None]:
    """The interval of a mean: images drawn with replacement by the documented generator."""
    places: dict[int, int] = {}
    sums: list[int] = []
    counts: list[int] = []
    for truth, value in zip(truths, values):
        place = places.setdefault(truth.image_id, len(places))
        if place == len(sums):
            sums.append(0)
            counts.append(0)
        sums[place] += value
        counts[place] += 1
    images = len(sums)
    if images < 2:
        return None, None
    state = SEED
    means: list[float] = []
    for _ in range(REPLICATES):
        drawn_sum = drawn_count = 0
        for _ in range(images):
            state = (state + 0x6D2B79F5) & 0xFFFFFFFF
            mixed = (state ^ (state >> 15)) * (state | 1) & 0xFFFFFFFF
            mixed ^= (mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)) & 0xFFFFFFFF
            place = math.floor((mixed ^ (mixed >> 14)) / 2**32 * images)
            drawn_sum += sums[place]
            drawn_count += counts[place]
        means.append(drawn_sum / drawn_count)
    means.sort()
    return quantile(means, (1 - 0.95) / 2), quantile(means, 1 - (1 - 0.95) / 2)


def quantile(ordered: list[float], share: float) -> float:
    """Linear between neighbours; numpy's own is the same but for the last bit."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    high = ordered[min(below + 1, len(ordered) - 1)]
    found = ordered[below] + (high - ordered[below]) * (place - below)
    assert found == pytest.approx(float(np.quantile(ordered, share)), rel=1e-12, abs=1e-15)
    return found


def make_run(world: World, folder: Path, seed: int, skill: float) -> Path:
    """Writes a run whose answers are noise and some sense, with ties among the logits."""
    random = np.random.Generator(np.random.Philox(seed))
    (folder / "eval").mkdir(parents=True)
    weights = f"weights {seed}".encode()
    (folder / "best.pdparams").write_bytes(weights)
    for split in SPLITS:
        rows: list[dict[str, Any]] = []
        for truth in world.of(split):
            noise = random.normal(size=len(truth.overlaps))
            logits = (skill * truth.overlaps.astype(np.float64) + noise - 1).round(1)
            target = int(logits.argmax())
            rows.append(
                {
                    "id": truth.image_id,
                    "target": target,
                    "IOU": float(truth.overlaps[target]),
                    "sent_id": truth.sent_id,
                    "ref_id": truth.ref_id,
                    "logits": logits.tolist(),
                }
            )
        text = json.dumps(rows)
        (folder / "eval" / f"{split}.json").write_text(text)
        checkpoint = {
            "file": "best.pdparams",
            "sizeBytes": len(weights),
            "mtimeMs": 0,
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
        key = {
            "schema": "vilbert-ts/eval-key@1",
            "checkpoint": checkpoint,
            "data": world.fingerprint,
            "results": hashlib.sha256(text.encode()).hexdigest(),
        }
        (folder / "eval" / f"{split}.key.json").write_text(json.dumps(key))
    return folder


def rows_of(run: Path, split: str) -> list[dict[str, Any]]:
    """The result file of a run."""
    return json.loads((run / "eval" / f"{split}.json").read_text())


def cli(*args: str) -> str:
    """Runs the command line and returns what it prints."""
    return run_node("dist/src/cli.js", *args)


def node(program: str, *args: str) -> str:
    """Runs a few lines of JavaScript on the built package."""
    return run_node("--input-type=module", "-e", program, *args)


def run_node(*args: str) -> str:
    """Runs Node in the package; what it says on stderr belongs to the failure."""
    done = subprocess.run(["node", *args], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
