"""A small seeded world in the layout of REFER: scenes of shapes, phrases that need their words, features.

`synthesize` writes what the real data sets consist of, so that all that reads those can be tried in seconds:
`<dataset>/refs(<splitBy>).p`, `<dataset>/instances.json`, JPEG pictures and two LMDBs of region features.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pickle
import random
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from PIL import Image

from vilbert.cancellation import stops_at_events
from vilbert.errors import ConfigError
from vilbert.files import remove_leftovers, temporary_path
from vilbert.region_features import region_features
from vilbert.synth_phrases import describe_object
from vilbert.synth_proposals import propose_boxes
from vilbert.synth_scene import (
    CATEGORIES,
    ROUND,
    STRAIGHT,
    Scene,
    arrange_scene,
    polygon_area,
    render_scene,
)

# split → its share of the images and the categories its phrases are about
SPLITS = {
    "unc": {
        "train": (0.74, CATEGORIES),
        "val": (0.12, CATEGORIES),
        "testA": (0.07, ROUND),
        "testB": (0.07, STRAIGHT),
    },
    "umd": {"train": (0.76, CATEGORIES), "val": (0.12, CATEGORIES), "test": (0.12, CATEGORIES)},
}
DATASETS = {"refcoco+": "unc", "refcoco": "unc", "refcocog": "umd"}
SMALLEST_WORLD = 4
LARGEST_WORLD = 100_000
HIGHEST_IMAGE_ID = 582_000
MANIFEST = "synth.json"
MANIFEST_SCHEMA = "vilbert-ts/synth@1"
IMAGE_FOLDER = Path("images", "mscoco", "images", "train2014")
DEFAULT_RELATIONS = 0.12
EVENT_EVERY = 10  # images
REFS_PROTOCOL = 2  # as the published files
LMDB_PROTOCOL = 3  # the first that stores bytes as they are


@dataclass(frozen=True)
class Request:
    """What is asked for, checked."""

    output: Path
    images: int
    seed: int
    dataset: str
    force: bool
    relations: float


@dataclass
class World:
    """What the two annotation files will hold, and the running numbers of their entries."""

    refs: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    expressions: dict[str, int] = field(default_factory=dict)


@stops_at_events
def synthesize(request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Writes a synthetic data root; the folder appears only when it is whole.

    Args:
        request: output (folder), images (count), seed, and optionally dataset ('refcoco+', 'refcoco',
            'refcocog'), force (replace what an earlier run wrote) and relations (chance that a phrase names
            another shape, where the scene has such a pair).

    Yields:
        {type: 'progress', done, total} in images.

    Returns:
        {output, dataset, splitBy, seed, images, refs, expressions: {split: count}}.

    Raises:
        ConfigError: if a value is out of range or the folder is in use.
    """
    wanted = parse_request(request)
    check_output(wanted)
    with staging_folder(wanted.output) as staging:
        world = yield from write_world(staging, wanted)
        result = {
            "output": str(wanted.output),
            "dataset": wanted.dataset,
            "splitBy": DATASETS[wanted.dataset],
            "seed": wanted.seed,
            "images": len(world.images),
            "refs": len(world.refs),
            "expressions": world.expressions,
        }
        manifest = {"schema": MANIFEST_SCHEMA, **{k: v for k, v in result.items() if k != "output"}}
        write_file(staging / MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
        publish(staging, wanted)
    return result


def parse_request(request: dict[str, Any]) -> Request:
    """Checks the values that the work depends on."""
    images, seed = request.get("images"), request.get("seed")
    if type(images) is not int or not SMALLEST_WORLD <= images <= LARGEST_WORLD:
        raise ConfigError(
            f"Expected `images` to be an integer from {SMALLEST_WORLD} to {LARGEST_WORLD}, got {images!r}.",
            "Every split needs at least one image; 400 make a world that a small model learns in minutes.",
        )
    if type(seed) is not int or not 0 <= seed < 2**53:
        raise ConfigError(f"Expected `seed` to be an integer of at least 0, got {seed!r}.", "Try --seed 1.")
    dataset = request.get("dataset") or "refcoco+"
    if dataset not in DATASETS:
        raise ConfigError(
            f"The data set {dataset!r} is not known.", f"Choose one of {', '.join(sorted(DATASETS))}."
        )
    relations = request.get("relations", DEFAULT_RELATIONS)
    if type(relations) not in (int, float) or not 0 <= relations <= 1:
        raise ConfigError(f"Expected `relations` to be from 0 to 1, got {relations!r}.", "Leave it out.")
    output = Path(str(request.get("output") or "")).expanduser()
    if output == Path():
        raise ConfigError("Expected `output` to name a folder.", "Pass --output DIR.")
    return Request(output.resolve(), images, seed, dataset, bool(request.get("force")), float(relations))


def check_output(wanted: Request) -> None:
    """Refuses to touch what it did not make itself: only such a folder may be replaced, if forced."""
    output = wanted.output
    if not output.exists():
        return
    if not output.is_dir():
        raise ConfigError(f"{output} is a file, not a folder.", "Pass another --output.")
    if not any(output.iterdir()):
        return
    if not is_synthetic(output):
        raise ConfigError(
            f"{output} is not empty and holds no {MANIFEST} of an earlier run.",
            "Pass an empty or a new folder as --output.",
        )
    if not wanted.force:
        raise ConfigError(
            f"{output} already holds a synthetic world.", "Pass --force to replace it, or another --output."
        )


def is_synthetic(folder: Path) -> bool:
    """Tells whether a folder was written here before."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("schema") == MANIFEST_SCHEMA


@contextlib.contextmanager
def staging_folder(output: Path) -> Iterator[Path]:
    """Gives a hidden folder beside the output that never outlives the work, also when that is cancelled."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(output.parent)
        staging = temporary_path(output)
        staging.mkdir()
    except OSError as error:
        raise ConfigError(
            f"Cannot write beside {output}: {error.strerror}.",
            "Pass an --output below a folder you may write.",
        ) from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(staging: Path, wanted: Request) -> None:
    """Puts the finished folder in place; an earlier world stays until the new one is whole."""
    output = wanted.output
    check_output(wanted)
    if output.exists() and any(output.iterdir()):
        old = staging.with_suffix(".old")
        output.rename(old)
        staging.rename(output)
        shutil.rmtree(old, ignore_errors=True)
        return
    if output.exists():
        output.rmdir()
    staging.rename(output)


def write_world(root: Path, wanted: Request) -> Generator[dict[str, Any], None, World]:
    """Writes all files of the data root below `root`, picture by picture."""
    world, split_by = World(), DATASETS[wanted.dataset]
    (root / wanted.dataset).mkdir()
    (root / IMAGE_FOLDER).mkdir(parents=True)
    splits = split_images(wanted.images, wanted.seed, split_by)
    world.expressions = {name: 0 for name in SPLITS[split_by]}
    suffix = "resnet101_faster_rcnn_genome.lmdb"
    yield {"type": "progress", "done": 0, "total": wanted.images}
    with (
        RegionWriter(root / f"{wanted.dataset}_{suffix}", wanted.images) as detected,
        RegionWriter(root / f"{wanted.dataset}_gt_{suffix}", wanted.images) as annotated,
    ):
        for index, (image_id, split) in enumerate(zip(image_ids(wanted), splits)):
            scene, phrases = make_scene(wanted, index, SPLITS[split_by][split][1])
            name = f"COCO_train2014_{image_id:012d}.jpg"
            jpeg = render_scene(scene, random.Random(f"{wanted.seed}/{index}/paint").getrandbits(32))
            write_file(root / IMAGE_FOLDER / name, jpeg)
            proposals = propose_boxes(random.Random(f"{wanted.seed}/{index}/boxes"), scene)
            truths = [item.box for item in scene.objects]
            boxes = np.array(proposals + truths, np.float32)
            features = region_features(Image.open(io.BytesIO(jpeg)), boxes)
            count = len(proposals)
            detected.put(image_id, scene, boxes[:count], features[:count])
            annotated.put(image_id, scene, boxes[count:], features[count:])
            record(world, scene, phrases, image_id, name, split)
            if (index + 1) % EVENT_EVERY == 0 or index + 1 == wanted.images:
                yield {"type": "progress", "done": index + 1, "total": wanted.images}
    write_annotations(root / wanted.dataset, world, split_by, wanted)
    return world


def split_images(images: int, seed: int, split_by: str) -> list[str]:
    """Deals the images to the splits: at least one to each, mixed over the ids."""
    names: list[str] = []
    for name, (share, _) in SPLITS[split_by].items():
        if name != "train":
            names += [name] * max(1, round(images * share))
    names += ["train"] * (images - len(names))
    random.Random(f"{seed}/splits").shuffle(names)
    return names


def image_ids(wanted: Request) -> list[int]:
    """Draws ascending ids with gaps, as COCO's are."""
    return sorted(random.Random(f"{wanted.seed}/ids").sample(range(1, HIGHEST_IMAGE_ID), wanted.images))


def make_scene(wanted: Request, index: int, focus: tuple[str, ...]) -> tuple[Scene, dict[int, list[str]]]:
    """Makes a scene in which two shapes or more can be referred to: the scene, and object index → phrases."""
    rng = random.Random(f"{wanted.seed}/{index}/scene")
    while True:
        scene = arrange_scene(rng, focus)
        phrases = {
            k: describe_object(rng, scene, k, wanted.relations)
            for k, item in enumerate(scene.objects)
            if item.category in focus
        }
        phrases = {k: texts for k, texts in phrases.items() if texts}
        if len(phrases) >= 2:
            return scene, phrases


def record(
    world: World, scene: Scene, phrases: dict[int, list[str]], image_id: int, name: str, split: str
) -> None:
    """Adds a scene's entries for refs and instances."""
    world.images.append({"id": image_id, "width": scene.width, "height": scene.height, "file_name": name})
    for index, item in enumerate(scene.objects):
        annotation_id = len(world.annotations) + 1
        category_id = CATEGORIES.index(item.category) + 1
        x1, y1, x2, y2 = item.box
        world.annotations.append(
            {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": category_id,
                "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                "area": round(polygon_area(item.outline), 2),
                "segmentation": [[number for point in item.outline for number in point]],
                "iscrowd": 0,
            }
        )
        if index not in phrases:
            continue
        first = sum(world.expressions.values())
        sentences = [
            {"sent_id": first + k, "raw": text, "sent": text, "tokens": text.split()}
            for k, text in enumerate(phrases[index])
        ]
        world.expressions[split] += len(sentences)
        world.refs.append(
            {
                "ref_id": len(world.refs),
                "ann_id": annotation_id,
                "image_id": image_id,
                "category_id": category_id,
                "file_name": f"{name[:-4]}_{annotation_id}.jpg",
                "split": split,
                "sent_ids": [sentence["sent_id"] for sentence in sentences],
                "sentences": sentences,
            }
        )


def write_annotations(folder: Path, world: World, split_by: str, wanted: Request) -> None:
    """Writes the refs as the pickle that REFER has, and the instances as COCO has them."""
    write_file(folder / f"refs({split_by}).p", pickle.dumps(world.refs, protocol=REFS_PROTOCOL))
    groups = {**dict.fromkeys(ROUND, "round"), **dict.fromkeys(STRAIGHT, "straight")}
    instances = {
        "info": {"description": f"vilbert-ts synthetic {wanted.dataset}, seed {wanted.seed}"},
        "images": world.images,
        "annotations": world.annotations,
        "categories": [
            {"id": k + 1, "name": name, "supercategory": groups[name]} for k, name in enumerate(CATEGORIES)
        ],
    }
    write_file(folder / "instances.json", json.dumps(instances, separators=(",", ":")).encode())


def write_file(path: Path, data: bytes) -> None:
    """Writes a file through to the disk, so that the final rename never shows an empty one."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class RegionWriter:
    """Writes the regions of many images into one LMDB folder; the file is as large as what it holds."""

    def __init__(self, folder: Path, images: int) -> None:
        """Opens a new database with room for that many images."""
        map_size = 64 * 2**20 + images * 512 * 1024
        self.environment = lmdb.open(str(folder), map_size=map_size, subdir=True, lock=False, sync=False)
        self.keys: list[bytes] = []

    def put(self, image_id: int, scene: Scene, boxes: Any, features: Any) -> None:
        """Stores one image's boxes [R, 4] and features [R, 2048], both float32."""
        key = str(image_id).encode()
        value = {
            "image_id": str(image_id),
            "image_h": scene.height,
            "image_w": scene.width,
            "num_boxes": len(boxes),
            "boxes": base64.b64encode(np.ascontiguousarray(boxes, "<f4").tobytes()),
            "features": base64.b64encode(np.ascontiguousarray(features, "<f4").tobytes()),
        }
        with self.environment.begin(write=True) as transaction:
            transaction.put(key, pickle.dumps(value, protocol=LMDB_PROTOCOL))
        self.keys.append(key)

    def __enter__(self) -> RegionWriter:
        """Is itself the writer."""
        return self

    def __exit__(self, *failure: object) -> None:
        """Adds the list of keys, waits for the disk and closes."""
        if failure[0] is None:
            with self.environment.begin(write=True) as transaction:
                transaction.put(b"keys", pickle.dumps(self.keys, protocol=LMDB_PROTOCOL))
            self.environment.sync(True)
        self.environment.close()
