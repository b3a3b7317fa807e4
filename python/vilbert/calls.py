"""Calls of the kernels' functions, at once or a few hundred together.

Between two kernels, which fill the processor's caches with their numbers, Python's own code takes two to three times
as long as in one go. So a pass through the model may first say what is to be computed and have it computed later: in
the same order, and before anybody looks at the numbers.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_char_p
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vilbert.kernel_arguments import SIGNATURES
from vilbert.kernel_library import library

MOST_WAITING = 400
MOST_HELD_BYTES = 2**24  # for calls that wait


@dataclass
class Calls:
    """What the calls of one kernel took."""

    seconds: float = 0.0
    operations: int = 0  # additions and multiplications, of matrix products alone


class _Waiting:
    """Calls that are still to be made, in their order."""

    def __init__(self) -> None:
        self.may_wait = False
        self.calls: list[tuple[str, tuple[Any, ...], Any]] = []  # name, arguments, what these point into
        self.held: list[Any] = []
        self.held_bytes = 0

    def clear(self) -> None:
        """Forgets the calls, and lets go of what was held for them."""
        self.calls, self.held, self.held_bytes = [], [], 0


_waiting = _Waiting()
_timed: dict[str, Calls] | None = None


def call(name: str, *arguments: Any, operations: int = 0, holds: Any = None) -> None:
    """Calls a function, now or when somebody asks for numbers; `holds` lives until then.

    Raises a RuntimeError where it fails, or one that waited.
    """
    if _timed is not None or not _waiting.may_wait:
        _call_now(name, arguments, operations)
        return
    _waiting.calls.append((name, arguments, holds))
    if len(_waiting.calls) >= MOST_WAITING or _waiting.held_bytes >= MOST_HELD_BYTES:
        run_waiting()


def hold(memory: Any, size_bytes: int) -> None:
    """Keeps memory that somebody gives up for the calls that still wait to use it."""
    if _waiting.calls:
        _waiting.held.append(memory)
        _waiting.held_bytes += size_bytes


def run_waiting() -> None:
    """Makes the calls that wait."""
    if not _waiting.calls:
        return
    functions = _functions()
    try:
        for name, arguments, _ in _waiting.calls:
            _check(name, functions[name](*arguments))
    finally:
        _waiting.clear()


@contextmanager
def together() -> Iterator[None]:
    """Lets calls wait while it is entered; those that wait when an error leaves it are never made."""
    outer, _waiting.may_wait = _waiting.may_wait, True
    try:
        yield
        run_waiting()
    finally:
        _waiting.may_wait = outer
        _waiting.clear()


@contextmanager
def timed() -> Iterator[dict[str, Calls]]:
    """Times the calls of each kernel while it is entered, where none waits for another."""
    global _timed
    run_waiting()
    calls: dict[str, Calls] = defaultdict(Calls)
    _timed = calls
    try:
        yield calls
    finally:
        _timed = None


def _call_now(name: str, arguments: tuple[Any, ...], operations: int) -> None:
    started = time.perf_counter()
    message = _functions()[name](*arguments)
    if _timed is not None:
        calls = _timed[name]
        calls.seconds += time.perf_counter() - started
        calls.operations += operations
    _check(name, message)


def _check(name: str, message: bytes | None) -> None:
    if message is not None:
        raise RuntimeError(f"kernels: {name}: {message.decode()}")


@lru_cache(maxsize=1)
def _functions() -> dict[str, Any]:
    loaded = library()
    assert loaded is not None, "callers ask are_available() first"
    functions = {}
    for name, arguments in SIGNATURES.items():
        functions[name] = getattr(loaded, f"vilbert_{name}")
        functions[name].argtypes, functions[name].restype = arguments, c_char_p
    return functions
