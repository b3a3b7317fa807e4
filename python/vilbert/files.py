"""Files and folders that take their names once they are whole; what killed processes left of them is removed later."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside `path` that takes its name only once it is written and synced; raises OSErrors."""
    temporary = temporary_path(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name only once it is filled; raises OSErrors."""
    temporary = temporary_path(path)
    temporary.mkdir()
    try:
        yield temporary
        sync_folder(temporary)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


def temporary_path(path: Path) -> Path:
    """A hidden name beside `path` that says whose it is and that no other process takes; as in `src/files.ts`."""
    return path.with_name(f".{path.name[:160]}.{_host()}-{os.getpid()}-{os.urandom(4).hex()}.tmp")


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes of this machine left unfinished in a folder, whichever language wrote it."""
    for path in folder.glob(".*.tmp"):
        found = re.fullmatch(r"\..*\.([^.]+)-(\d+)-[0-9a-f]{8}\.tmp", path.name)
        if not found or found[1] != _host() or _is_running(int(found[2])):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _host() -> str:
    """Process ids mean nothing on another machine that shares the folder."""
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:40] or "host"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
