"""The store of region features: one safetensors file for each LMDB, mapped, with an index by image id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vilbert.errors import DataError
from vilbert.tensors import open_safetensors

SCHEMA = "vilbert-ts/regions@1"


@dataclass(frozen=True)
class ImageRegions:
    """The regions of one image; row 0 is the global region (mean feature, the whole picture)."""

    features: np.ndarray  # (n, 2048) float32 or float16, a view into the file
    boxes: np.ndarray  # (n, 4) float32, x1, y1, x2, y2 in pixels
    width: int  # pixels
    height: int


class RegionStore:
    """Regions by image id, read where they lie in the file; `source` is the LMDB that it was made of."""

    def __init__(self, path: str, source: str) -> None:
        tensors, metadata = open_safetensors(path)
        if metadata.get("schema") != SCHEMA:
            raise DataError(f"{path} is not a region store of this version.", "Delete it; it is made again.")
        self.source = source
        self.features = tensors["features"]  # (all regions, feature size) float32
        self.boxes = tensors["boxes"]  # (all regions, 4) float32, x1, y1, x2, y2 in pixels
        self.sizes = tensors["image_sizes"]  # (images, 2) int64, width and height in pixels
        self.first = tensors["first_region"]  # (images + 1,) int64, where an image's regions start
        self.counts = np.diff(self.first)  # (images,) regions with the global one
        self._row = {image_id: row for row, image_id in enumerate(tensors["image_ids"].tolist())}

    @property
    def feature_size(self) -> int:
        """Numbers in a region's feature."""
        return self.features.shape[1]

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._row

    def __getitem__(self, image_id: int) -> ImageRegions:
        [row] = self.rows([image_id]).tolist()
        first, last = int(self.first[row]), int(self.first[row + 1])
        width, height = self.sizes[row].tolist()
        return ImageRegions(self.features[first:last], self.boxes[first:last], width, height)

    def rows(self, image_ids: Sequence[int]) -> np.ndarray:
        """Places of images in `first`, `counts` and `sizes`; (images,) int64."""
        try:
            return np.fromiter((self._row[image_id] for image_id in image_ids), np.int64, len(image_ids))
        except KeyError as missing:
            raise DataError(
                f"Image {missing.args[0]} has no region features in {self.source}.",
                "Check the image id, or add its features to the LMDB.",
            ) from None
