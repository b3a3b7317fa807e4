"""Curves for VisualDL and TensorBoard, written by their own writers where these are installed.

`metrics.jsonl` is the record; these files are made of it, and made anew when a run is resumed, so that they never
show steps that were given up.
"""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol


class _Writer(Protocol):
    def add_scalar(self, name: str, value: float, step: int) -> None: ...

    def close(self) -> None: ...


class EventFiles:
    """The writers of one run; none where neither package is there."""

    def __init__(self, folder: Path, logged: Path) -> None:
        """Begins with what `logged`, the run's metrics.jsonl, holds already."""
        for name in ("visualdl", "tensorboard"):
            shutil.rmtree(folder / name, ignore_errors=True)
        self._writers: list[_Writer] = [
            writer
            for writer in (_visualdl(folder / "visualdl"), _tensorboard(folder / "tensorboard"))
            if writer
        ]
        if self._writers:
            with logged.open(encoding="utf-8") as file:
                self.write(json.loads(line) for line in file)

    def write(self, events: Iterable[dict[str, Any]]) -> None:
        """Adds steps and epochs to the curves."""
        if not self._writers:
            return
        for event in events:
            for name, value in _curves(event).items():
                for writer in self._writers:
                    writer.add_scalar(name, value, event["step"])

    def close(self) -> None:
        """Writes the rest."""
        for writer in self._writers:
            writer.close()


def _curves(event: dict[str, Any]) -> dict[str, float]:
    if event["type"] == "step":
        return {"train/loss": event["loss"], "lr/body": event["lr"]["body"], "lr/head": event["lr"]["head"]}
    if event["valAccuracy"] is None:
        return {}
    return {"val/accuracy": event["valAccuracy"]}


def _visualdl(folder: Path) -> _Writer | None:
    module = _installed("visualdl")
    if module is None:
        return None
    writer = module.LogWriter(logdir=str(folder), display_name=folder.parent.name)
    return _Adapted(
        lambda name, value, step: writer.add_scalar(tag=name, value=value, step=step), writer.close
    )


def _tensorboard(folder: Path) -> _Writer | None:
    module = _installed("tensorboard.summary")
    if module is None:
        return None
    writer = module.Writer(str(folder))
    return _Adapted(lambda name, value, step: writer.add_scalar(name, value, step), writer.close)


class _Adapted:
    def __init__(self, add_scalar: Any, close: Any) -> None:
        self.add_scalar = add_scalar
        self.close = close


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception:  # noqa: BLE001 (a package that does not import is as good as none)
        return None
