"""The store of region features: one safetensors file for each LMDB, mapped, with an index by image id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vilbert.errors import DataError
from vilbert.tensors import open_safetensors

SCHEMA = "vilbert-ts/regions@1"


@dataclass(frozen=True)
class ImageRegions:
    """The regions of one image; row 0 is the global region (mean feature, the whole picture)."""

    features: np.ndarray  # (n, 2048) float32, a view into the file
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
        self._features = tensors["features"]
        self._boxes = tensors["boxes"]
        self._sizes = tensors["image_sizes"]
        self._first_region = tensors["first_region"].tolist()
        self._row = {image_id: row for row, image_id in enumerate(tensors["image_ids"].tolist())}

    @property
    def feature_size(self) -> int:
        """Numbers in a region's feature."""
        return self._features.shape[1]

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._row

    def __getitem__(self, image_id: int) -> ImageRegions:
        row = self._row.get(image_id)
        if row is None:
            raise DataError(
                f"Image {image_id} has no region features in {self.source}.",
                "Check the image id, or add its features to the LMDB.",
            )
        first, last = self._first_region[row], self._first_region[row + 1]
        width, height = self._sizes[row].tolist()
        return ImageRegions(self._features[first:last], self._boxes[first:last], width, height)

    def count(self, image_id: int) -> int:
        """Regions of an image with the global one, without touching its features."""
        row = self._row[image_id]
        return self._first_region[row + 1] - self._first_region[row]
