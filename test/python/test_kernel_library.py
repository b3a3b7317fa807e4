"""Which library of kernels is loaded: one whose note says that it fits this processor and this Paddle, or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import paddle
import pytest
from conftest import ROOT
from vilbert.kernel_library import INTERFACE, processor_flags, refused_because

PADDLE = paddle.__version__
STATUS = "import json; from vilbert import kernel_library as k; print(json.dumps(k.status()))"


def test_a_library_that_fits_is_not_refused(tmp_path: Path) -> None:
    flags = " ".join(sorted(processor_flags()))
    assert refused_because(library(tmp_path, processor=flags)) is None
    tested = {"self-test": "passed"}
    assert refused_because(library(tmp_path, processor=flags, **tested)) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            {"processor": "sse2 avx9999 amx_bf99"},
            "for a processor with amx_bf99, avx9999, which this one lacks",
        ),
        ({"paddle": "2.6.0"}, f"was built for Paddle 2.6.0, and this is {PADDLE}"),
        ({"interface": str(INTERFACE + 1)}, "was built from other sources"),
        ({"self-test": "gelu is off by 1"}, "failed its self-test: gelu is off by 1"),
    ],
)
def test_a_library_of_another_machine_is_refused_before_it_is_loaded(
    tmp_path: Path, line: dict[str, str], reason: str
) -> None:
    path = library(tmp_path, **line)  # which is no library at all: loading it would fail in another way
    assert (refused_because(path) or "").endswith(reason)
    assert status(path)["unfitBecause"] == refused_because(path)


def test_without_a_library_or_its_note_the_stock_operators_compute(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.so"
    assert status(nowhere) == {
        "library": str(nowhere),
        "unfitBecause": f"{nowhere} is not there",
        "hasBfloat16": False,
    }
    bare = tmp_path / "bare.so"
    bare.write_bytes(b"")
    assert status(bare)["unfitBecause"].endswith(
        "bare.txt, which says what the library needs, cannot be read"
    )


def test_what_the_loader_refuses_is_told(tmp_path: Path) -> None:
    path = library(tmp_path)
    assert f"{path} cannot be loaded: " in status(path)["unfitBecause"]


def test_off_switches_the_kernels_off() -> None:
    off = {"library": None, "unfitBecause": "VILBERT_TS_KERNELS=off switches them off", "hasBfloat16": False}
    assert status("off") == off


def library(folder: Path, **lines: str) -> Path:
    """A file that is no library, with a note as of one that fits but for some lines."""
    path = folder / "libvilbert_kernels.so"
    path.write_bytes(b"no library")
    note = {"interface": str(INTERFACE), "paddle": PADDLE, "processor": "", **lines}
    path.with_suffix(".txt").write_text("".join(f"{name}: {value}\n" for name, value in note.items()))
    return path


def status(kernels: Path | str) -> dict[str, str]:
    """What another process says, in which Paddle comes with that library."""
    env = {**os.environ, "VILBERT_TS_KERNELS": str(kernels), "PYTHONPATH": str(ROOT / "python")}
    answer = subprocess.run(
        [sys.executable, "-c", STATUS], env=env, check=True, capture_output=True, text=True
    )
    return json.loads(answer.stdout.splitlines()[-1])
