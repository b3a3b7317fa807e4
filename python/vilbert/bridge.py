"""The one door to the Python core: `handle(text) -> text`, JSON in and JSON out, one request at a time.

An entry point is a function `fn(request: dict) -> JSON value`, or a generator function that yields JSON events
and returns its result, addressed as "package.module:function". An exception class may carry `vilbert_kind`
("config", "data", "checkpoint", "environment", "network"), `vilbert_code` and `next`; the TypeScript side then
raises the error of that kind with the same message.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vilbert.cancellation import CallCancelled, Cancellation
from vilbert.messages import decode, encode


@dataclass
class _Stream:
    events: Any  # a generator, or another iterator that may have no close()
    stops_at_events: bool


@dataclass
class _Process:
    """What the process knows; set once by `boot.py`."""

    cancellation: Cancellation = field(default_factory=Cancellation)
    streams: dict[int, _Stream] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()
    max_message_bytes: int = 64 * 1024 * 1024


_process = _Process()


def configure(*, roots: list[str], max_message_bytes: int) -> Cancellation:
    """Say where our own sources lie (for short tracebacks) and how long an answer may be."""
    _process.roots = tuple(Path(root).absolute() for root in roots)
    _process.max_message_bytes = max_message_bytes
    return _process.cancellation


def handle(text: str) -> str:
    """Answer one request; it never raises and never ends the process, except for `shutdown`."""
    try:
        request = decode(text)
        if request["op"] == "shutdown":
            _close_streams()
            raise _Shutdown
        return _answer(request)
    except CallCancelled:
        return '{"ok":false,"cancelled":true}'
    except _Shutdown:
        raise SystemExit(0) from None
    except BaseException as error:  # noqa: BLE001 (whatever it is, Node is told)
        try:
            return encode({"ok": False, "error": describe(error)})
        except BaseException:  # noqa: BLE001 (a foreign class may fail at describing itself)
            return '{"ok":false,"error":{"type":"Exception","message":"an error that cannot be described"}}'


class _Shutdown(BaseException):
    pass


def _answer(request: dict[str, Any]) -> str:
    operation = _OPERATIONS[request["op"]]
    interruptible = request["op"] != "close" and not _stops_at_events(request)
    try:
        if interruptible:
            _process.cancellation.begin(request["id"])
        answer = '{"ok":true,"value":' + encode(operation(request)) + "}"
    finally:
        _process.cancellation.end()
    if len(answer) > _process.max_message_bytes:
        raise ValueError(
            f"the answer has {len(answer)} bytes, more than the {_process.max_message_bytes} that may cross "
            "the bridge: return arrays as files (vilbert.array_file)"
        )
    return answer


def _stops_at_events(request: dict[str, Any]) -> bool:
    stream = _process.streams.get(request.get("stream", -1))
    return stream is not None and stream.stops_at_events


def _hello(_request: dict[str, Any]) -> dict[str, object]:
    """Ready; what pythonia needed to start is taken away, since it would only get in the way.

    A Node started from here would take our channel for its own, and a module named like one of pythonia's would not
    be found.
    """
    os.environ.pop("NODE_CHANNEL_FD", None)
    for name in ("Bridge", "proxy", "json_patch"):
        sys.modules.pop(name, None)
    return {"pid": os.getpid(), "pythonVersion": platform.python_version(), "executable": sys.executable}


def _call(request: dict[str, Any]) -> object:
    return resolve(request["fn"])(request["request"])


def _open(request: dict[str, Any]) -> int:
    function = resolve(request["fn"])
    events = function(request["request"])
    if not hasattr(events, "__next__"):
        raise TypeError(f"{request['fn']} is not a generator function: call it instead of streaming it")
    _process.streams[request["id"]] = _Stream(events, getattr(function, "stops_at_events", False))
    return request["id"]


def _next(request: dict[str, Any]) -> dict[str, object]:
    number = request["stream"]
    try:
        return {"done": False, "value": next(_process.streams[number].events)}
    except StopIteration as stop:
        _process.streams.pop(number, None)
        return {"done": True, "value": stop.value}
    except BaseException:
        _process.streams.pop(number, None)
        raise


def _close(request: dict[str, Any]) -> None:
    stream = _process.streams.pop(request["stream"], None)
    if stream is not None and hasattr(stream.events, "close"):
        stream.events.close()


def _close_streams() -> None:
    for number in list(_process.streams):
        try:
            _close({"stream": number})
        except BaseException:  # noqa: BLE001 (the other streams are closed even so)
            traceback.print_exc()


_OPERATIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "hello": _hello,
    "call": _call,
    "open": _open,
    "next": _next,
    "close": _close,
}


def resolve(name: str) -> Callable[[object], Any]:
    """Find an entry point by its address."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def describe(error: BaseException) -> dict[str, object]:
    """Put an exception into the form in which it crosses to Node."""
    simple = (str, int, float, bool, type(None))
    attributes = getattr(error, "__dict__", {})
    return {
        "type": type(error).__name__,
        "message": _message(error),
        "traceback": "".join(traceback.TracebackException.from_exception(error).format()),
        "ownTraceback": _own_traceback(error),
        "data": {name: value for name, value in attributes.items() if isinstance(value, simple)},
        "kind": _text(getattr(error, "vilbert_kind", None)),
        "code": _text(getattr(error, "vilbert_code", None)),
        "next": _text(getattr(error, "next", None)),
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # noqa: BLE001 (a foreign class's own __str__)
        return f"<its message raised {type(broken).__name__}>"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _own_traceback(error: BaseException) -> str:
    """Keep only the frames of our own sources: what Paddle and the bridge did in between seldom helps."""
    description = traceback.TracebackException.from_exception(error)
    link: traceback.TracebackException | None = description
    while link is not None:
        own = [frame for frame in link.stack if _is_own(frame.filename)]
        link.stack[:] = own
        link = link.__cause__ or link.__context__
    return "".join(description.format())


def _is_own(file: str) -> bool:
    path = Path(file)
    if path.parent == Path(__file__).parent and path.name in ("bridge.py", "boot.py", "cancellation.py"):
        return False
    return any(root in path.parents for root in _process.roots) and "site-packages" not in path.parts
