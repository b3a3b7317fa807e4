"""Cancelling the running call: Node writes its number, the main thread raises `CallCancelled` inside it."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])

RETRY_SECONDS = 0.02


class CallCancelled(BaseException):
    """Raised inside the running call when Node cancels it; not an `Exception`, so that code rarely swallows it."""


def stops_at_events(function: F) -> F:
    """Mark a generator function that must not be interrupted between two events (its state would be half-changed).

    Cancelling such a stream lets the step run to its next `yield`; there `GeneratorExit` runs its `finally`.
    """
    function.stops_at_events = True  # type: ignore[attr-defined] (functions take any attribute)
    return function


class Cancellation:
    """Knows which call runs and which calls Node wants to end."""

    def __init__(self) -> None:
        self._running: int | None = None
        self._wanted: set[int] = set()
        self._main_thread = threading.main_thread().ident or 0

    def begin(self, call_id: int) -> None:
        """Make a call interruptible; raises at once if it was cancelled before it arrived."""
        self._running = call_id
        if self._wanted:
            self._wanted.difference_update([wanted for wanted in self._wanted.copy() if wanted < call_id])
            self._raise_if_wanted(None)

    def end(self) -> None:
        """The call is over: whatever is cancelled from now on, it is not this call."""
        self._running = None

    def listen(self, control_fd: int) -> None:
        """Serve Node's control pipe from a thread: one call number a line; its end means that Node is gone."""
        signal.signal(signal.SIGINT, lambda _signal, frame: self._raise_if_wanted(frame))
        thread = threading.Thread(target=self._read_control, args=(control_fd,), daemon=True, name="control")
        thread.start()

    def _raise_if_wanted(self, frame: FrameType | None) -> None:
        running = self._running
        if running is not None and running in self._wanted and not _must_not_be_interrupted(frame):
            self._wanted.discard(running)
            raise CallCancelled

    def _read_control(self, control_fd: int) -> None:
        rest = b""
        while True:
            pending = self._running is not None and self._running in self._wanted
            if select.select([control_fd], [], [], RETRY_SECONDS if pending else None)[0]:
                received = _read(control_fd)
                if not received:
                    _end_group()
                *lines, rest = (rest + received).split(b"\n")
                self._wanted.update(int(line) for line in lines)
            if self._running in self._wanted:
                signal.pthread_kill(self._main_thread, signal.SIGINT)


def _must_not_be_interrupted(frame: FrameType | None) -> bool:
    """Whether the control thread had better try again a moment later.

    An import cut in half breaks the process for good, and destructors swallow exceptions.
    """
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename.startswith("<frozen importlib"):
            return True
        if code.co_filename.endswith("weakref.py"):
            return True
        frame = frame.f_back
    return False


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


def _end_group() -> None:
    """Never stay behind as an orphan, nor leave workers (the kernel does the same where it can, see boot.py)."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
