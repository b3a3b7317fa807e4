"""The mask extension against pycocotools, and with damaged input. Run: pytest test/python/test_mask.py"""

from __future__ import annotations

import importlib
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

coco: Any = importlib.import_module("pycocotools.mask")  # its type stubs know only one of many forms

SOURCES = Path(__file__).parents[2] / "python" / "refer"
ROUNDS = 10_000


@pytest.fixture(scope="module")
def mask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The extension, built for this Python into a folder of its own."""
    build = tmp_path_factory.mktemp("build")
    make("all", build)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VILBERT_TS_REFER_BUILD", str(build))
        forget_refer()
        from refer import mask

        yield mask
    forget_refer()


def make(goal: str, build: Path) -> str:
    command = ["make", goal, f"PYTHON={sys.executable}", f"BUILD={build}"]
    made = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout


def forget_refer() -> None:
    """Lets the next import choose the build folder anew."""
    for name in [name for name in sys.modules if name.split(".")[0] == "refer"]:
        del sys.modules[name]


@pytest.fixture
def rng() -> random.Random:
    return random.Random(20240229)


def random_size(rng: random.Random) -> tuple[int, int]:
    return rng.randint(1, 60), rng.randint(1, 60)


def random_pixels(rng: random.Random, height: int, width: int, count: int | None = None) -> np.ndarray:
    shape = (height, width) if count is None else (height, width, count)
    generator = np.random.default_rng(rng.getrandbits(32))
    return np.asfortranarray((generator.random(shape) < rng.choice([0, 0.05, 0.5, 0.95, 1])).astype(np.uint8))


def random_polygon(rng: random.Random, height: int, width: int) -> list[float]:
    """Inside and outside, whole and fractional, with repeated corners and halves where rounding decides."""
    margin = rng.choice([0, 0, 3, 100])
    step = rng.choice([1, 0.5, 0.1, 0.2, None])
    coordinates: list[float] = []
    for _ in range(rng.randint(3, 12)):
        if coordinates and rng.random() < 0.1:
            coordinates += coordinates[-2:]
            continue
        for side in (width, height):
            value = rng.uniform(-margin, side + margin)
            coordinates.append(round(value / step) * step if step else value)
    return coordinates


def random_box(rng: random.Random, height: int, width: int) -> list[float]:
    box = [
        rng.uniform(-5, width),
        rng.uniform(-5, height),
        rng.uniform(0, width + 5),
        rng.uniform(0, height + 5),
    ]
    return [float(round(number)) for number in box] if rng.random() < 0.5 else box


def random_masks(rng: random.Random, height: int, width: int, count: int) -> list[Any]:
    """RLEs of all origins, made by pycocotools."""
    makers = [
        lambda: coco.encode(random_pixels(rng, height, width)),
        lambda: coco.frPyObjects([random_polygon(rng, height, width)], height, width)[0],
        lambda: coco.frPyObjects(np.array([random_box(rng, height, width)]), height, width)[0],
    ]
    return [rng.choice(makers)() for _ in range(count)]


def random_runs(rng: random.Random, height: int, width: int) -> list[int]:
    cuts = sorted(rng.randint(0, height * width) for _ in range(rng.randint(0, 30)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, height * width])]


def test_polygons_give_the_masks_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    for _ in range(ROUNDS):
        height, width = random_size(rng)
        polygons = [random_polygon(rng, height, width) for _ in range(rng.randint(1, 3))]
        assert mask.frPyObjects(polygons, height, width) == coco.frPyObjects(polygons, height, width)


def test_polygons_on_large_images_give_the_masks_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    for _ in range(ROUNDS // 20):
        height, width = rng.randint(1, 1500), rng.randint(1, 1500)
        polygon = random_polygon(rng, height, width)
        assert mask.frPyObjects([polygon], height, width) == coco.frPyObjects([polygon], height, width)


def test_boxes_give_the_masks_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    for _ in range(ROUNDS):
        height, width = random_size(rng)
        boxes = np.array([random_box(rng, height, width) for _ in range(rng.randint(1, 3))])
        expected = coco.frPyObjects(boxes, height, width)
        assert mask.frPyObjects(boxes, height, width) == expected
        assert mask.frPyObjects(boxes.tolist(), height, width) == expected
        assert mask.frPyObjects(boxes[0].tolist(), height, width) == expected[0]


def test_runs_give_the_masks_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    for _ in range(ROUNDS):
        height, width = rng.choice([random_size(rng), (2000, 1000)])
        rle = {"size": [height, width], "counts": random_runs(rng, height, width)}
        expected = coco.frPyObjects(rle, height, width)
        assert mask.frPyObjects(rle, height, width) == expected
        assert mask.frPyObjects([rle, rle], height, width) == [expected, expected]
        assert mask.area(rle) == coco.area(expected)


def test_encode_and_decode_are_those_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    for _ in range(ROUNDS):
        height, width = random_size(rng)
        pixels = random_pixels(rng, height, width, rng.randint(1, 3))
        rles = mask.encode(pixels)
        assert rles == coco.encode(pixels)
        decoded = mask.decode(rles)
        assert decoded.dtype == np.uint8
        assert decoded.flags.f_contiguous
        assert np.array_equal(decoded, pixels)
        assert mask.encode(pixels[:, :, 0]) == rles[0]
        assert np.array_equal(mask.decode(rles[0]), pixels[:, :, 0])


def test_area_and_bounds_are_those_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    for _ in range(ROUNDS):
        rles = random_masks(rng, *random_size(rng), rng.randint(1, 3))
        for own, other in ((mask.area, coco.area), (mask.toBbox, coco.toBbox)):
            found, expected = own(rles), other(rles)
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert np.array_equal(found, expected)
            assert np.array_equal(own(rles[0]), other(rles[0]))


def test_merge_is_that_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    assert mask.merge([]) == coco.merge([])
    for _ in range(ROUNDS):
        rles = random_masks(rng, *random_size(rng), rng.randint(1, 4))
        assert mask.merge(rles) == coco.merge(rles)
        assert mask.merge(rles, intersect=True) == coco.merge(rles, intersect=True)


def test_iou_is_that_of_pycocotools(mask: ModuleType, rng: random.Random) -> None:
    for _ in range(ROUNDS):
        height, width = random_size(rng)
        detections, truths = rng.randint(0, 3), rng.randint(0, 3)
        crowds = [rng.randint(0, 1) for _ in range(truths)]
        pairs: list[tuple[Any, Any]] = [
            (random_masks(rng, height, width, detections), random_masks(rng, height, width, truths)),
            (
                [random_box(rng, height, width) for _ in range(detections)],
                [random_box(rng, height, width) for _ in range(truths)],
            ),
        ]
        for first, second in pairs:
            found, expected = mask.iou(first, second, crowds), coco.iou(first, second, crowds)
            assert type(found) is type(expected)
            assert np.array_equal(found, expected)


def test_masks_without_pixels_are_those_of_pycocotools(mask: ModuleType) -> None:
    for shape in ((0, 4), (4, 0), (0, 0)):
        pixels = np.zeros(shape, np.uint8, order="F")
        rle = mask.encode(pixels)
        assert rle == coco.encode(pixels)
        assert mask.decode(rle).shape == shape
        assert mask.area(rle) == 0
        assert mask.toBbox(rle).tolist() == [0, 0, 0, 0]


def test_any_layout_and_text_type_is_taken(mask: ModuleType) -> None:
    pixels = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)
    rle = mask.encode(pixels)
    assert mask.encode(pixels.astype(bool)) == mask.encode(np.asfortranarray(pixels)) == rle
    assert mask.encode(np.repeat(pixels, 2, axis=1)[:, ::2]) == rle
    assert np.array_equal(mask.decode({"size": (2, 3), "counts": rle["counts"].decode()}), pixels)
    assert np.array_equal(mask.decode({"size": np.array([2, 3]), "counts": np.array([1, 2, 1, 2])}), pixels)


def test_runs_of_no_length_do_no_harm(mask: ModuleType, rng: random.Random) -> None:
    """Such masks are allowed, but pycocotools gives wrong bounds and unions for them: the pixels decide."""
    for _ in range(ROUNDS // 10):
        height, width = random_size(rng)
        rles = []
        for _ in range(2):
            runs = random_runs(rng, height, width)
            for _ in range(rng.randint(1, 5)):
                runs.insert(rng.randint(0, len(runs)), 0)
            rles.append({"size": [height, width], "counts": runs})
        one, other = (mask.decode(rle) for rle in rles)
        clean = [mask.encode(one), mask.encode(other)]
        assert np.array_equal(mask.toBbox(rles), coco.toBbox(clean))
        assert mask.merge(rles) == coco.merge(clean)
        assert np.array_equal(mask.iou(rles[:1], rles[1:], [0]), coco.iou(clean[:1], clean[1:], [0]))


DAMAGED = {
    "an unknown character": (ValueError, [3, 4], b"321\x0012"),
    "a character above the last": (ValueError, [3, 4], b"3211p"),
    "text that is not ASCII": (ValueError, [3, 4], "3211é"),
    "a number that is cut off": (ValueError, [3, 4], b"3211o"),
    "a number that is too long": (ValueError, [3, 4], b"oooooooooooo0"),
    "a negative run": (ValueError, [3, 4], b"O32"),
    "a difference that makes a run negative": (ValueError, [3, 4], b"3211O"),
    "runs beyond the size": (ValueError, [3, 4], b"321121"),
    "runs that end early": (ValueError, [3, 4], b"3211"),
    "no runs": (ValueError, [3, 4], b""),
    "a negative size": (ValueError, [-3, 4], b"32112"),
    "a size of one number": (ValueError, [12], b"32112"),
    "a huge size": (ValueError, [2**31, 2], b"32112"),
    "a size beyond 64 bits": (ValueError, [2**70, 2], b"32112"),
    "too many pixels": (ValueError, [2**16, 2**16], b"0"),
    "a size of fractions": (TypeError, [3.0, 4], b"32112"),
    "a size of text": (TypeError, ["3", 4], b"32112"),
    "counts of nothing": (TypeError, [3, 4], None),
    "counts of a number": (TypeError, [3, 4], 12),
    "a negative number of pixels": (ValueError, [3, 4], [3, -2, 11]),
    "listed runs beyond the size": (ValueError, [3, 4], [3, 10]),
    "listed runs that end early": (ValueError, [3, 4], [3, 8]),
    "runs that wrap around": (ValueError, [3, 4], [2**32, 12]),
    "runs beyond 64 bits": (TypeError, [3, 4], [2**70]),
    "runs beyond a signed number": (ValueError, [3, 4], [2**64 - 1]),
    "runs of fractions": (TypeError, [3, 4], [3.5, 8.5]),
    "runs of text": (TypeError, [3, 4], ["12"]),
    "nested runs": (ValueError, [3, 4], [[3, 9]]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_mask_is_refused_by_every_function(mask: ModuleType, name: str) -> None:
    error, size, counts = DAMAGED[name]
    rle = {"size": size, "counts": counts}
    good = mask.encode(np.zeros((3, 4), np.uint8))
    for function in (
        mask.decode,
        mask.area,
        mask.toBbox,
        lambda rle: mask.merge([good, rle]),
        lambda rle: mask.iou([good], [rle], [0]),
        lambda rle: mask.frPyObjects([rle], 3, 4),
    ):
        with pytest.raises(error):
            function(rle)


NAN, INFINITE = float("nan"), float("inf")
WRONG_CALLS = {
    "no mask": (TypeError, lambda mask: mask.area(None)),
    "a list for a mask": (TypeError, lambda mask: mask.area([["size", "counts"]])),
    "a mask without counts": (ValueError, lambda mask: mask.area({"size": [3, 4]})),
    "nothing to decode": (ValueError, lambda mask: mask.decode([])),
    "a list of pixels": (TypeError, lambda mask: mask.encode([[0, 1]])),
    "pixels of floats": (TypeError, lambda mask: mask.encode(np.zeros((3, 4)))),
    "pixels of 255": (ValueError, lambda mask: mask.encode(np.full((3, 4), 255, np.uint8))),
    "a row of pixels": (ValueError, lambda mask: mask.encode(np.zeros(3, np.uint8))),
    "masks of different sizes": (ValueError, lambda mask: mask.merge(two_sizes(mask))),
    "decoding different sizes": (ValueError, lambda mask: mask.decode(two_sizes(mask))),
    "comparing different sizes": (
        ValueError,
        lambda mask: mask.iou(*([rle] for rle in two_sizes(mask)), [0]),
    ),
    "comparing masks with boxes": (
        TypeError,
        lambda mask: mask.iou(two_sizes(mask)[:1], [[0, 0, 1, 1]], [0]),
    ),
    "too few crowds": (ValueError, lambda mask: mask.iou([[0, 0, 1, 1]], [[0, 0, 1, 1]], [])),
    "a crowd of 2": (ValueError, lambda mask: mask.iou([[0, 0, 1, 1]], [[0, 0, 1, 1]], [2])),
    "a box of three": (ValueError, lambda mask: mask.iou([[0, 0, 1]], [[0, 0, 1]], [0])),
    "a box of NaN": (ValueError, lambda mask: mask.iou([[0, 0, 1, NAN]], [[0, 0, 1, 1]], [0])),
    "a negative box": (ValueError, lambda mask: mask.iou([[0, 0, -1, 1]], [[0, 0, 1, 1]], [0])),
    "drawing a negative box": (ValueError, lambda mask: mask.frPyObjects([[0, 0, -1, 1]], 3, 4)),
    "no polygon": (ValueError, lambda mask: mask.frPyObjects([], 3, 4)),
    "a polygon of two corners": (ValueError, lambda mask: mask.frPyObjects([[0, 0, 1, 1, 2]], 3, 4)),
    "an odd polygon": (ValueError, lambda mask: mask.frPyObjects([[0, 0, 1, 1, 2, 2, 3]], 3, 4)),
    "a polygon of text": (TypeError, lambda mask: mask.frPyObjects(["0, 0, 1, 1, 2, 2"], 3, 4)),
    "a polygon of words": (TypeError, lambda mask: mask.frPyObjects([["a"] * 6], 3, 4)),
    "an infinite polygon": (ValueError, lambda mask: mask.frPyObjects([[0, 0, 1, INFINITE, 2, 2]], 3, 4)),
    "a polygon of NaN": (ValueError, lambda mask: mask.frPyObjects([[0, 0, 1, NAN, 2, 2]], 3, 4)),
    "a polygon far away": (ValueError, lambda mask: mask.frPyObjects([[0, 0, 1, 1e12, 2, 2]], 3, 4)),
    "an endless polygon": (ValueError, lambda mask: mask.frPyObjects([[0, 0, 1e6, 1e6] * 1000], 3, 4)),
    "a polygon on a huge image": (
        ValueError,
        lambda mask: mask.frPyObjects([[0, 0, 1, 1, 2, 2]], 2**20, 2**20),
    ),
    "a polygon on a negative image": (ValueError, lambda mask: mask.frPyObjects([[0, 0, 1, 1, 2, 2]], -3, 4)),
    "runs of another image": (
        ValueError,
        lambda mask: mask.frPyObjects({"size": [3, 4], "counts": [12]}, 4, 3),
    ),
    "a number for a polygon": (TypeError, lambda mask: mask.frPyObjects(7, 3, 4)),
}


def two_sizes(mask: ModuleType) -> list[Any]:
    return [mask.encode(np.ones(shape, np.uint8)) for shape in ((3, 4), (4, 3))]


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_arguments_are_refused(mask: ModuleType, name: str) -> None:
    error, call = WRONG_CALLS[name]
    with pytest.raises(error):
        call(mask)


def test_random_counts_end_in_a_mask_or_an_error(mask: ModuleType, rng: random.Random) -> None:
    accepted = 0
    for _ in range(ROUNDS):
        counts = bytearray(mask.encode(random_pixels(rng, 9, 7))["counts"])
        for _ in range(rng.randint(1, 3)):
            counts[rng.randrange(len(counts))] = rng.choice([rng.randrange(256), 48 + rng.randrange(64)])
        try:
            assert mask.decode({"size": [9, 7], "counts": bytes(counts)}).shape == (9, 7)
            accepted += 1
        except ValueError:
            pass
    assert 0 < accepted < ROUNDS


def test_a_picture_of_a_mask_is_the_union_of_its_polygons(mask: ModuleType, tmp_path: Path) -> None:
    from refer.png import write_mask

    squares = [[1, 1, 4, 1, 4, 4, 1, 4], [6, 2, 8, 2, 8, 5, 6, 5]]
    output = tmp_path / "mask.png"
    request = {
        "segmentation": squares,
        "height": 7,
        "width": 10,
        "output": str(output),
        "source": "annotation 1",
    }
    assert write_mask(request) == {"areaPx": 15, "box": [1, 1, 7, 4]}
    expected = np.zeros((7, 10), np.uint8)
    expected[1:4, 1:4] = expected[2:5, 6:8] = 255
    with Image.open(output) as image:
        assert image.format == "PNG"
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), expected)
    with pytest.raises(ValueError, match=r"^annotation 1: a polygon needs x and y"):
        write_mask({**request, "segmentation": [[1, 2, 3, 4, 5]]})


def test_a_python_without_the_extension_is_told_what_to_do(tmp_path: Path) -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1])\nimport refer.mask"
    environment = {"VILBERT_TS_REFER_BUILD": str(tmp_path), "PATH": ""}
    command = [sys.executable, "-c", program, str(SOURCES.parent)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert f"MaskNotBuilt: The mask extension is not built for {sys.executable}." in run.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_sanitizers_find_nothing_in_the_c_code(tmp_path: Path) -> None:
    assert "30000 rounds" in make("sanitize", tmp_path)
