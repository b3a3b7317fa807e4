"""What this process and this machine have of memory."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path


def peak_resident_bytes() -> int:
    """Peak resident memory of this process."""
    try:
        # ru_maxrss would start from what the parent held when it started us.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) * 2**10
    except OSError:
        unit = 1 if sys.platform == "darwin" else 2**10  # of ru_maxrss in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def give_back_unused() -> None:
    """Gives memory that was freed here back to the system, where the C library can: what is asked for next comes from new pages."""
    with suppress(AttributeError):  # only that of GNU can
        ctypes.CDLL(None).malloc_trim(0)


def machine_bytes() -> int:
    """Memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
