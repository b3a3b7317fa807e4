"""Made-up data for measurements: region stores and expressions of any size, with nothing to download."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vilbert.dataset import Expression, ReferringDataset
from vilbert.features import SCHEMA, RegionStore

PROFILES = {
    "sparse": (5, 30),
    "bottom-up": (36, 36),
    "dense": (100, 100),
}  # regions of an image, the global one too
WORDS_MEAN = 5.6  # of an expression; the two special tokens come on top
MAX_TOKENS = 20
IMAGE_SIZE = (640, 480)  # pixels
PIECE_ROWS = 4096  # regions that are made at once


@dataclass(frozen=True)
class MadeData:
    """How much is made."""

    regions: tuple[int, int]  # least and most of an image
    images: int
    expressions: int
    feature_size: int = 2048
    vocab_size: int = 30522
    seed: int = 0
    is_hollow: bool = False  # features are a hole in the file: any number of images takes no disk


def make_dataset(folder: Path, made: MadeData, split: str = "val") -> ReferringDataset:
    """A split over a store that is written into `folder`."""
    random = np.random.Generator(np.random.Philox(made.seed))
    counts = random.integers(made.regions[0], made.regions[1] + 1, made.images)
    path = folder / f"regions-{made.images}-{made.regions[1]}.safetensors"
    write_store(path, counts, made, random)
    lengths = np.clip(random.poisson(WORDS_MEAN, made.expressions), 1, MAX_TOKENS - 2)
    images = random.integers(0, made.images, made.expressions).tolist()
    edges = np.sort(random.random((made.expressions, 2, 2)), axis=1) * IMAGE_SIZE
    expressions = [
        Expression(
            sent_id=number,
            ref_id=number,
            image_id=image,
            box=tuple(edges[number].reshape(4).tolist()),
            text="",
            token_ids=(101 % made.vocab_size, *words, 102 % made.vocab_size),
        )
        for number, (image, words) in enumerate(
            zip(images, np.split(random.integers(1, made.vocab_size, lengths.sum()), np.cumsum(lengths)[:-1]))
        )
        for words in [words.tolist()]
    ]
    return ReferringDataset(split, expressions, RegionStore(str(path), str(folder)), None)


def write_store(path: Path, counts: np.ndarray, made: MadeData, random: np.random.Generator) -> None:
    """A region store like the command line's, with `counts` regions for images 0, 1, …"""
    total = int(counts.sum())
    corners = np.sort(random.random((total, 2, 2)), axis=1) * np.array(IMAGE_SIZE)
    small = {
        "image_ids": np.arange(len(counts)),
        "first_region": np.concatenate([[0], np.cumsum(counts)]),
        "image_sizes": np.tile(np.array(IMAGE_SIZE), (len(counts), 1)),
        "boxes": corners.reshape(total, 4).astype(np.float32),
    }
    header: dict[str, object] = {"__metadata__": {"schema": SCHEMA}}
    end = 0
    for name, array in small.items():
        dtype = "F32" if array.dtype == np.float32 else "I64"
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    size = 4 * total * made.feature_size
    shape = [total, made.feature_size]
    header["features"] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in small.values():
            file.write(array.tobytes())
        if made.is_hollow:
            file.truncate(8 + len(text) + end + size)
            return
        for start in range(0, total, PIECE_ROWS):
            rows = min(PIECE_ROWS, total - start)
            file.write(np.abs(random.standard_normal((rows, made.feature_size), np.float32)).tobytes())
