"""Pictures of predictions: boxes with scores on the image, the phrase on a strip below."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from vilbert.errors import DataError
from vilbert.files import new_file, remove_leftovers

Colour = tuple[int, int, int]

SHORTEST_WIDTH = 720  # pixels; smaller pictures are enlarged so that the words can be read
LONGEST_SIDE = 1600  # pixels; larger pictures are reduced
BEST: Colour = (255, 196, 0)
OTHERS: tuple[Colour, ...] = (
    (64, 190, 255),
    (255, 110, 180),
    (150, 230, 90),
    (190, 150, 255),
    (255, 150, 90),
)
TARGET: Colour = (255, 255, 255)
DARK: Colour = (18, 20, 26)
STRIP: Colour = (28, 30, 38)
BRIGHT: Colour = (244, 244, 246)
FAINT: Colour = (168, 172, 182)
# Tried in turn for text beyond Latin, which Pillow's own font lacks.
WIDE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
    "arial.ttf",
)


@dataclass(frozen=True)
class DrawnBox:
    """A box in pixels of the drawn picture, its text and its colour."""

    sides: tuple[float, float, float, float]
    text: str
    colour: Colour


def draw(request: dict[str, Any]) -> dict[str, Any]:
    """Draws boxes on a picture and writes the result as PNG or JPEG, by the output's ending.

    Args:
        request: image (path), output (path), phrase, boxes ([{box: [x1, y1, x2, y2] in pixels, score, and
            optionally label and colour}], best first) and optionally target (a box, drawn dashed).

    Returns:
        {output, width, height} in pixels.

    Raises:
        DataError: if the picture cannot be read or written, or a box is not four finite numbers.
    """
    picture = read_picture(str(request["image"]))
    scale = scale_for(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    unit = max(size[0], SHORTEST_WIDTH) / SHORTEST_WIDTH
    boxes = [read_box(entry, rank, scale) for rank, entry in enumerate(request.get("boxes") or [])]
    canvas = ImageDraw.Draw(picture)
    if request.get("target") is not None:
        dashed_box(canvas, read_sides(request["target"], "target", scale), unit)
    for box in reversed(boxes):
        outline_box(canvas, box, unit)
    for box in reversed(boxes):
        tag_box(canvas, box, unit, size)
    result = add_strip(picture, str(request.get("phrase") or ""), unit, request.get("target") is not None)
    write_picture(result, Path(str(request["output"])))
    return {"output": str(request["output"]), "width": result.width, "height": result.height}


def picture_sizes(request: dict[str, Any]) -> dict[str, Any]:
    """Reads the sizes of `images` (paths): [width, height] in pixels, or the sentence why a picture cannot be read."""
    return {"sizes": [_size_or_reason(path) for path in request["images"]]}


def _size_or_reason(path: str) -> list[int] | str:
    try:
        with Image.open(path) as picture:
            return [picture.width, picture.height]
    except FileNotFoundError:
        return f"The picture {path} does not exist."
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        return f"The picture {path} cannot be read: {error}."


def read_picture(path: str) -> Image.Image:
    """Reads a picture of any kind as RGB."""
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except FileNotFoundError as error:
        raise DataError(f"The picture {path} does not exist.", "Check the path.") from error
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise DataError(f"The picture {path} cannot be read: {error}.", "Pass a PNG or JPEG file.") from error


def scale_for(size: tuple[int, int]) -> float:
    """Says how much to enlarge a small picture or to reduce a huge one."""
    return min(max(1.0, SHORTEST_WIDTH / size[0]), LONGEST_SIDE / max(size))


def read_box(entry: dict[str, Any], rank: int, scale: float) -> DrawnBox:
    """Takes one predicted box; the first is the answer and is drawn so."""
    label, score = entry.get("label"), entry.get("score")
    number = f"{score:.2f}" if isinstance(score, (int, float)) and math.isfinite(score) else ""
    colour = parse_colour(entry.get("colour"), BEST if rank == 0 else OTHERS[(rank - 1) % len(OTHERS)])
    text = " ".join(str(part) for part in (label, number) if part not in (None, ""))
    return DrawnBox(read_sides(entry.get("box"), f"boxes[{rank}].box", scale), text, colour)


def read_sides(box: Any, name: str, scale: float) -> tuple[float, float, float, float]:
    """Checks a box and brings it to the drawn picture's pixels."""
    if not isinstance(box, (list, tuple)) or len(box) != 4:
        raise DataError(f"Expected `{name}` to be [x1, y1, x2, y2].", "Pass four numbers in pixels.")
    if not all(isinstance(side, (int, float)) and math.isfinite(side) for side in box):
        raise DataError(f"Expected the numbers of `{name}` to be finite.", "Pass four numbers in pixels.")
    x1, y1, x2, y2 = (side * scale for side in box)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def parse_colour(colour: Any, otherwise: Colour) -> Colour:
    """Understands #rrggbb; anything else leaves the usual colour."""
    digits = str(colour or "").lstrip("#")
    if len(digits) != 6 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        return otherwise
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def outline_box(canvas: ImageDraw.ImageDraw, box: DrawnBox, unit: float) -> None:
    """Draws a box's border between two dark lines, so that it shows on any ground."""
    line = round((4 if box.colour == BEST else 3) * unit)
    edge = max(1, round(1.5 * unit))
    x1, y1, x2, y2 = box.sides
    canvas.rectangle((x1 - edge, y1 - edge, x2 + edge, y2 + edge), outline=DARK, width=line + 2 * edge)
    canvas.rectangle((x1, y1, x2, y2), outline=box.colour, width=line)


def dashed_box(canvas: ImageDraw.ImageDraw, sides: tuple[float, float, float, float], unit: float) -> None:
    """Draws the referred box as a dashed border."""
    x1, y1, x2, y2 = sides
    grow = 5 * unit
    x1, y1, x2, y2 = x1 - grow, y1 - grow, x2 + grow, y2 + grow
    for start, end in (
        ((x1, y1), (x2, y1)),
        ((x2, y1), (x2, y2)),
        ((x2, y2), (x1, y2)),
        ((x1, y2), (x1, y1)),
    ):
        length = math.dist(start, end)
        dashes = max(1, round(length / (18 * unit)))
        for k in range(dashes):
            ends = [
                (
                    start[0] + (end[0] - start[0]) * part / dashes,
                    start[1] + (end[1] - start[1]) * part / dashes,
                )
                for part in (k + 0.2, k + 0.8)
            ]
            canvas.line(ends, fill=DARK, width=round(4.5 * unit))
            canvas.line(ends, fill=TARGET, width=round(2.5 * unit))


def tag_box(canvas: ImageDraw.ImageDraw, box: DrawnBox, unit: float, size: tuple[int, int]) -> None:
    """Puts a box's text on a plate of its colour: above the box, or inside where there is no room."""
    if not box.text:
        return
    font = font_for(box.text, round((19 if box.colour == BEST else 16) * unit))
    pad = round(5 * unit)
    left, top, right, bottom = canvas.textbbox((0, 0), box.text, font=font)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(box.sides[0] - unit, 0), max(size[0] - width, 0))
    y = box.sides[1] - height - unit
    if y < 0:
        y = min(max(box.sides[1], 0) + 2 * unit, max(size[1] - height, 0))
        x = min(x + 2 * unit, max(size[0] - width, 0))
    plate = (x, y, x + width, y + height)
    canvas.rounded_rectangle(
        plate, radius=round(4 * unit), fill=box.colour, outline=DARK, width=max(1, round(unit))
    )
    canvas.text((x + pad - left, y + pad - top), box.text, font=font, fill=DARK)


def add_strip(picture: Image.Image, phrase: str, unit: float, with_target: bool) -> Image.Image:
    """Adds the phrase below the picture, in as many lines as it takes."""
    pad = round(14 * unit)
    words, legend = " ".join(phrase.split()), "dashed: the box meant" if with_target else ""
    font, small = font_for(words, round(25 * unit)), font_for(legend, round(15 * unit))
    lines = wrap(f"“{words}”", font, picture.width - 2 * pad) if words else []
    step, legend_step = round(33 * unit), round(22 * unit) if legend else 0
    height = pad * 2 + step * len(lines) + legend_step if lines or legend else 0
    result = Image.new("RGB", (picture.width, picture.height + height), STRIP)
    result.paste(picture, (0, 0))
    canvas = ImageDraw.Draw(result)
    y = picture.height + pad
    for line in lines:
        canvas.text((pad, y), line, font=font, fill=BRIGHT)
        y += step
    if legend:
        canvas.text((pad, y + round(3 * unit)), legend, font=small, fill=FAINT)
    return result


def wrap(text: str, font: Any, width: int) -> list[str]:
    """Breaks text into lines that fit, between words where it can, and at most six of them."""
    lines: list[str] = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and font.getlength(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines if len(lines) <= 6 else [*lines[:5], lines[5][:-1] + "…"]


def font_for(text: str, size: int) -> Any:
    """Takes Pillow's own font for Latin text, and a font of the system that may have more for other text."""
    if any(ord(character) > 0x24F and not 0x2010 <= ord(character) <= 0x2027 for character in text):
        for name in WIDE_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


def write_picture(picture: Image.Image, output: Path) -> None:
    """Writes the picture; under its name there is the old one until the new one is whole."""
    is_jpeg = output.suffix.lower() in (".jpg", ".jpeg")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(output.parent)
        with new_file(output) as file:
            picture.save(file, "JPEG" if is_jpeg else "PNG", **({"quality": 92} if is_jpeg else {}))
    except OSError as error:
        raise DataError(
            f"Cannot write {output}: {error.strerror or error}.", "Pass a path you may write to."
        ) from error
