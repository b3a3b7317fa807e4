"""Pictures of predictions. Run: pytest test/python/test_draw.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from vilbert.draw import BEST, draw
from vilbert.errors import DataError


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A grey picture of 240 by 160."""
    path = tmp_path / "grey.png"
    Image.new("RGB", (240, 160), (128, 128, 128)).save(path)
    return path


def drawn(picture: Path, output: Path, **request: Any) -> tuple[dict[str, Any], np.ndarray]:
    """Draws and reads back the pixels."""
    result = draw(
        {"image": str(picture), "output": str(output), "phrase": "red ring", "boxes": [], **request}
    )
    with Image.open(output) as image:
        assert image.size == (result["width"], result["height"])
        return result, np.asarray(image.convert("RGB"))


def test_a_small_picture_is_enlarged_and_the_box_is_where_it_should_be(picture: Path, tmp_path: Path) -> None:
    result, pixels = drawn(picture, tmp_path / "out.png", boxes=[{"box": [40, 60, 120, 140], "score": 0.75}])
    assert result["width"] == 720
    assert result["height"] > 480
    best = (pixels[:480] == BEST).all(-1)
    rows, columns = best.nonzero()
    assert (columns.min(), columns.max(), rows.max()) == (120, 360, 420)
    assert best[300, 120]
    assert not best[300, 240]
    assert (pixels[300, 240] == 128).all()


def test_a_large_picture_is_reduced(tmp_path: Path) -> None:
    Image.new("RGB", (4000, 1000)).save(tmp_path / "large.png")
    result, _ = drawn(tmp_path / "large.png", tmp_path / "out.jpg", phrase="")
    assert (result["width"], result["height"]) == (1600, 400)


def test_any_text_and_any_box_can_be_drawn(picture: Path, tmp_path: Path) -> None:
    boxes = [
        {"box": [0, 0, 240, 160], "score": 1, "label": "größter ▲ 圆", "colour": "#00ff00"},
        {"box": [-50, -50, 5, 5], "score": None, "colour": "no colour"},
        {"box": [300, 300, 290, 290], "score": float("nan"), "label": "x" * 300},
    ]
    phrase = "левый круг 圆 🙂 " + "w" * 500 + "\n\x00 end " * 40
    result, pixels = drawn(
        picture, tmp_path / "new" / "out.png", boxes=boxes, phrase=phrase, target=[1, 2, 3, 4]
    )
    assert result["height"] > 600
    assert (pixels == (0, 255, 0)).all(-1).any()


def test_nothing_but_the_picture_is_left(picture: Path, tmp_path: Path) -> None:
    drawn(picture, tmp_path / "out.png")
    drawn(picture, tmp_path / "out.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grey.png", "out.png"]


def test_what_cannot_be_drawn_is_said(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    output = tmp_path / "out.png"
    with pytest.raises(DataError, match="does not exist"):
        drawn(tmp_path / "none.png", output)
    with pytest.raises(DataError, match="cannot be read"):
        drawn(tmp_path / "text.png", output)
    for box in (None, [1, 2, 3], [1, 2, 3, float("inf")], [1, 2, 3, "4"]):
        with pytest.raises(DataError, match=r"boxes\[0\]\.box"):
            drawn(picture, output, boxes=[{"box": box, "score": 0.5}])
    assert not output.exists()
