"""Which built library of `python/kernels` there is, and whether it fits this machine and process.

The library is optional. `vilbert-ts setup` (or `npm run ready` in a clone) builds it for this processor, against the
oneDNN of Paddle's wheel. One that was built for another processor would end the process at its first instruction, so
the note beside it is read before it is loaded.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import paddle

INTERFACE = 2  # as in interface.cc
VARIABLE = "VILBERT_TS_KERNELS"


def library_path() -> Path | None:
    """Where the library lies or would lie; None where it is switched off."""
    named = os.environ.get(VARIABLE)
    if named == "off":
        return None
    return Path(named or Path(__file__).parents[1] / "kernels" / "build" / "libvilbert_kernels.so")


def library() -> ctypes.CDLL | None:
    """The library, loaded, where it fits."""
    found = _library() if _computes_on_cpu() else None
    return found if isinstance(found, ctypes.CDLL) else None


def unfit_because() -> str | None:
    """Why the library is not used, as a clause; None where it is."""
    if not _computes_on_cpu():
        return f"Paddle computes on {paddle.device.get_device()}"
    found = _library()
    return found if isinstance(found, str) else None


def status() -> dict[str, Any]:
    """What `doctor` shows of it."""
    path = library_path()
    return {
        "library": None if path is None else str(path),
        "unfitBecause": unfit_because(),
        "hasBfloat16": has_bfloat16(),
    }


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware, and the library is there to use it."""
    return library() is not None and processor_has_bfloat16()


def processor_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware."""
    return not processor_flags().isdisjoint({"amx_bf16", "avx512_bf16"})


@lru_cache(maxsize=1)
def processor_flags() -> frozenset[str]:
    """What the processor can do, under the names of /proc/cpuinfo; nothing where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def _computes_on_cpu() -> bool:
    return paddle.device.get_device() == "cpu"


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | str:
    path = library_path()
    if path is None:
        return f"{VARIABLE}=off switches them off"
    reason = refused_because(path)
    if reason is not None:
        return reason
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        return f"{path} cannot be loaded: {error}"
    if loaded.vilbert_interface() != INTERFACE:
        return f"{path} was built from other sources"
    return loaded


def refused_because(path: Path) -> str | None:
    """What the note beside a library says against loading it here, as a clause; None where nothing does."""
    if not path.is_file():
        return f"{path} is not there"
    note = path.with_suffix(".txt")
    try:
        text = note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"{note}, which says what the library needs, cannot be read"
    needs = {name: value for name, _, value in (line.partition(": ") for line in text.splitlines())}
    lacking = set(needs.get("processor", "").split()) - processor_flags()
    if needs.get("interface") != str(INTERFACE):
        return f"{path} was built from other sources"
    if needs.get("paddle") != paddle.__version__:
        return f"{path} was built for Paddle {needs.get('paddle')}, and this is {paddle.__version__}"
    if lacking:
        return f"{path} was built for a processor with {', '.join(sorted(lacking))}, which this one lacks"
    if needs.get("self-test", "passed") != "passed":
        return f"{path} failed its self-test: {needs['self-test']}"
    return None
