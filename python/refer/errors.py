"""Failures that the user can do something about; the bridge hands `vilbert_kind` and `next` to the command line."""

from __future__ import annotations


class MaskNotBuilt(ImportError):
    """The compiled part is missing, or was built for another Python."""

    vilbert_kind = "environment"
    next = "Run `vilbert-ts refer build`."


class SegmentationError(ValueError):
    """An annotation's segmentation is no mask of its image."""

    vilbert_kind = "data"
