"""Made-up data for measurements, in the trusted forms: any number of images and regions, nothing to download."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vilbert.features import SCHEMA

PROFILES = {
    "sparse": (5, 30),
    "bottom-up": (36, 36),
    "dense": (100, 100),
}  # regions of an image, the global one too
WORDS_MEAN, WORDS_MOST = 5.6, 18  # of an expression, as in RefCOCO+; two special tokens come on top
WORDS = [
    "man",
    "woman",
    "boy",
    "girl",
    "person",
    "dog",
    "cat",
    "red",
    "blue",
    "green",
    "white",
    "black",
    "left",
    "right",
    "top",
    "bottom",
    "front",
    "back",
    "chair",
]
WIDTH, HEIGHT = 640, 480  # pixels
PIECE_ROWS = 4096  # regions whose features are made at once


@dataclass(frozen=True)
class MadeData:
    """How much is made."""

    regions: tuple[int, int]  # least and most of an image
    images: int
    expressions: int
    feature_size: int
    seed: int = 0
    is_hollow: bool = False  # features are a hole in the file: any number of images takes no disk


def make_data(folder: Path, made: MadeData) -> dict[str, Any]:
    """Writes splits `train` and `val` of the same expressions; gives what `open_split` wants to know."""
    folder.mkdir(parents=True)
    random = np.random.Generator(np.random.Philox(made.seed))
    counts = random.integers(made.regions[0], made.regions[1] + 1, made.images)
    detected, annotated, expressions = (folder / name for name in ("detected", "annotated", "expressions"))
    _write_store(detected, counts, made, random)
    # The annotated boxes would come on top of the profile's regions: there is only the global one, which is left out.
    _write_store(annotated, np.ones(made.images, np.int64), made, random)
    refs = [ref for split in ("train", "val") for ref in _refs(split, made)]
    expressions.write_text(json.dumps({"refs": refs}), encoding="utf-8")
    return {
        "expressionsFile": str(expressions),
        "detectedFile": str(detected),
        "detectedSource": str(detected),
        "annotatedFile": str(annotated),
        "annotatedSource": str(annotated),
        "splits": {"train": {}},
        "fingerprint": "made",
    }


def _refs(split: str, made: MadeData) -> list[dict[str, Any]]:
    random = np.random.Generator(np.random.Philox(made.seed + 1))
    lengths = np.clip(random.poisson(WORDS_MEAN, made.expressions), 1, WORDS_MOST).tolist()
    boxes = _boxes(made.expressions, random).tolist()
    images = random.integers(0, made.images, made.expressions).tolist()
    return [
        {
            "refId": number,
            "imageId": image,
            "split": split,
            "box": box,
            "sentences": [{"sentId": number, "text": " ".join(random.choice(WORDS, length))}],
        }
        for number, (length, box, image) in enumerate(zip(lengths, boxes, images))
    ]


def _boxes(count: int, random: np.random.Generator) -> np.ndarray:
    return (np.sort(random.random((count, 2, 2)), axis=1) * (WIDTH, HEIGHT)).reshape(count, 4)


def _write_store(path: Path, counts: np.ndarray, made: MadeData, random: np.random.Generator) -> None:
    """A region store like the command line's, of images 0, 1, …"""
    total = int(counts.sum())
    small = {
        "image_ids": np.arange(len(counts)),
        "first_region": np.concatenate([[0], np.cumsum(counts)]),
        "image_sizes": np.tile((WIDTH, HEIGHT), (len(counts), 1)),
        "boxes": _boxes(total, random).astype(np.float32),
    }
    header: dict[str, Any] = {"__metadata__": {"schema": SCHEMA}}
    end = 0
    for name, array in small.items():
        dtype = "F32" if array.dtype == np.float32 else "I64"
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    features = {"dtype": "F32", "shape": [total, made.feature_size]}
    header["features"] = {**features, "data_offsets": [end, end + 4 * total * made.feature_size]}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in small.values():
            file.write(array.tobytes())
        if made.is_hollow:
            file.truncate(file.tell() + 4 * total * made.feature_size)
            return
        for start in range(0, total, PIECE_ROWS):
            shape = (min(PIECE_ROWS, total - start), made.feature_size)
            file.write(np.abs(random.standard_normal(shape, np.float32)).tobytes())
