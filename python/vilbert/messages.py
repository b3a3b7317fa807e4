"""JSON text for the bridge: what `json` cannot write is tagged (NaN, Infinity) or refused with a clear error."""

from __future__ import annotations

import json
import math
import os
from typing import Any

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: object) -> str:
    """Write one value as JSON text; floats that JSON does not know become `{"$float": "nan"}`."""
    try:
        return _STRICT.encode(value)
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise
        return _STRICT.encode(_tag(json.loads(json.dumps(value, default=_plain))))


def decode(text: str) -> Any:
    """Read one value from JSON text written by the other side."""
    return json.loads(text, object_hook=_untag if '"$float"' in text else None)


def _plain(value: Any) -> object:
    """Turn numpy and Paddle scalars and paths into JSON values; nothing else crosses."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    if hasattr(value, "__fspath__"):
        return os.fspath(value)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise TypeError(
        f"a value of type {kind} cannot cross the bridge: return numbers, strings, lists and dicts, "
        "arrays as files (vilbert.array_file), and call generators as streams"
    )


_STRICT = json.JSONEncoder(allow_nan=False, default=_plain)


def _tag(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if isinstance(value, dict):
        return {key: _tag(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_tag(entry) for entry in value]
    return value


def _untag(value: dict[str, Any]) -> Any:
    name = value.get("$float")
    return _NOT_FINITE[name] if len(value) == 1 and isinstance(name, str) and name in _NOT_FINITE else value
