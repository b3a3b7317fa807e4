"""Small copies of pictures for a page that carries them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError


def thumbnails(request: dict[str, Any]) -> dict[str, Any]:
    """Writes each of `images` ([{id, path}]) as `<folder>/<id>.jpg`, no side longer than `longestSide` pixels.

    Pictures that are missing or cannot be read are left out of `written`, the ids of those that can.
    """
    folder = Path(request["folder"])
    written: list[int] = []
    for image in request["images"]:
        small = reduced(image["path"], request["longestSide"])
        if small is not None:
            small.save(folder / f"{image['id']}.jpg", "JPEG", quality=request["quality"], optimize=True)
            written.append(image["id"])
    return {"written": written}


def reduced(path: str, longest_side: int) -> Image.Image | None:
    """A picture in RGB without its metadata, made smaller where it is large; None where there is no picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["JPEG", "PNG"]) as picture:
                picture.draft("RGB", (longest_side, longest_side))
                picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
                plain = Image.new("RGB", picture.size, "white")
                plain.paste(picture.convert("RGB"))
                return plain
    except (
        OSError,
        UnidentifiedImageError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None
