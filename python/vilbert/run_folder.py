"""The files of a run: states to resume from, last and best checkpoint, the log of every step.

A state is a folder that appears by one rename once everything in it is on disk, so there is always a whole one.
`last.*` and `best.*` are further names (hard links) of the weights in a state.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vilbert.checkpoint import atomic_file, save_json, save_pdparams
from vilbert.errors import CheckpointError, ConfigError
from vilbert.event_files import EventFiles
from vilbert.files import remove_leftovers, sync_folder
from vilbert.safetensors_file import write_safetensors
from vilbert.tensors import TensorFile, open_safetensors

SCHEMA = "vilbert-ts/training-state@1"
Arrays = Iterable[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Snapshot:
    """Everything that a run is at one step."""

    step: int
    state: dict[str, Any]  # JSON: position, best, figures so far
    weights: Arrays
    averages: Arrays | None  # moving averages, in the model's order with the tensors that have none
    optimizer: Arrays
    sidecar: dict[str, Any]  # what the checkpoint's JSON says beside its tensors


@dataclass(frozen=True)
class SavedState:
    """A state on disk."""

    folder: Path
    state: dict[str, Any]
    weights: dict[str, Any]  # tensor index
    averages: dict[str, Any] | None
    optimizer: TensorFile


class RunFolder:
    """Writes and reads the states of one run."""

    def __init__(self, path: str, keep: int, *, is_ours: bool = True) -> None:
        """Opens the folder; only if it `is_ours` (and not another process's) is anything in it changed."""
        self.path = Path(path)
        self._keep = keep
        self._is_ours = is_ours
        if not is_ours:
            return
        remove_leftovers(self.path)
        for unfinished in self._states.glob(".*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    @property
    def _states(self) -> Path:
        return self.path / "states"

    def save(self, snapshot: Snapshot, *, is_best: bool) -> None:
        """Writes a state and gives its weights the names `last` and, where they are, `best`."""
        finished = self._states / state_name(snapshot.step, len(snapshot.state["epochs"]))
        unfinished = finished.with_name(f".{finished.name}.{os.getpid()}")
        try:
            self._write(unfinished, snapshot)
            unfinished.replace(finished)
            sync_folder(self._states)
            for name in ("last", "best") if is_best else ("last",):
                self._publish(finished, name)
        except (OSError, CheckpointError) as error:
            reason = getattr(error.__cause__ or error, "strerror", None) or error
            raise CheckpointError(
                f"The state of step {snapshot.step} cannot be saved in {self.path}: {reason}.",
                f"The state before is whole. Make room and go on with `vilbert-ts train --resume {self.path}`.",
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        self._prune(snapshot.state)

    def _write(self, folder: Path, snapshot: Snapshot) -> None:
        folder.mkdir(parents=True)
        self._write_weights(folder, "weights", snapshot.weights, snapshot.sidecar)
        if snapshot.averages is not None:
            self._write_weights(folder, "averages", snapshot.averages, snapshot.sidecar)
        write_safetensors(folder / "optimizer.safetensors", list(snapshot.optimizer))
        save_json(str(folder / "state.json"), {"schema": SCHEMA, "step": snapshot.step, **snapshot.state})

    @staticmethod
    def _write_weights(folder: Path, name: str, values: Arrays, sidecar: dict[str, Any]) -> None:
        written = save_pdparams(str(folder / f"{name}.pdparams"), values)
        save_json(str(folder / f"{name}.json"), {**sidecar, **written})

    def _publish(self, state: Path, name: str) -> None:
        source = "averages" if (state / "averages.pdparams").exists() else "weights"
        target = self.path / f"{name}.pdparams"
        link = target.with_name(f".{target.name}.link")
        try:
            _link(state / f"{source}.pdparams", link)
            described = json.loads((state / f"{source}.json").read_text(encoding="utf-8"))
            # It names the file beside it, and comes first: weights never lack their description.
            save_json(str(self.path / f"{name}.json"), {**described, "file": target.name})
            link.replace(target)
        finally:
            link.unlink(missing_ok=True)
        sync_folder(self.path)

    def _prune(self, state: dict[str, Any]) -> None:
        best = state["best"] and state_name(state["best"]["step"], state["best"]["epochs"])
        for folder in self._folders()[self._keep :]:
            if folder.name != best:
                shutil.rmtree(folder, ignore_errors=True)

    def _folders(self) -> list[Path]:
        return sorted(self._states.glob("step-*"), reverse=True)

    @property
    def has_states(self) -> bool:
        """Whether a run was saved here before."""
        return bool(self._folders())

    def load(self, which: str) -> SavedState:
        """The newest state (`last`) or that of the best validation (`best`); raises where there is none."""
        folders = self._folders()
        if not folders:
            raise CheckpointError(
                f"{self.path} holds no state of a training run to resume.",
                "Pass the folder of a run to --resume.",
            )
        newest = read_state(folders[0])
        if which == "last":
            return newest
        best = newest.state["best"]
        folder = self._states / state_name(best["step"], best["epochs"]) if best else None
        if folder is None or not folder.exists():
            raise CheckpointError(f"{self.path} has no best state to resume.", "Use --resume last.")
        return read_state(folder)

    def forget_after(self, saved: SavedState | None) -> None:
        """Gives up the states that came after `saved`, or all for None.

        From there the run goes another way, and a state of the way that was given up must not pass for its newest.
        """
        for folder in self._folders() if self._is_ours else []:
            if saved is None or folder.name > saved.folder.name:
                shutil.rmtree(folder, ignore_errors=True)


def _link(source: Path, link: Path) -> None:
    link.unlink(missing_ok=True)
    try:
        os.link(source, link)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, link)


def state_name(step: int, epochs: int) -> str:
    """Names sort by time: after the last step of an epoch comes the state that knows its validation."""
    return f"step-{step:08d}-epochs-{epochs:05d}"


def read_state(folder: Path) -> SavedState:
    """Reads a state that `RunFolder.save` wrote."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        optimizer, _ = open_safetensors(str(folder / "optimizer.safetensors"))
        weights = _index(folder / "weights.json")
        averages = _index(folder / "averages.json") if (folder / "averages.json").exists() else None
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder} is damaged: {error}.", "Delete it to resume from an older state."
        ) from error
    if state.get("schema") != SCHEMA:
        raise CheckpointError(f"{folder} is not a training state of this version.")
    return SavedState(folder, state, weights, averages, optimizer)


def _index(sidecar: Path) -> dict[str, Any]:
    described = json.loads(sidecar.read_text(encoding="utf-8"))
    return {"file": str(sidecar.with_name(described["file"])), "tensors": described["tensors"]}


class MetricsLog:
    """metrics.jsonl: a line for every step and every epoch."""

    def __init__(self, path: Path | None, *, step: int = 0, epochs: int = 0) -> None:
        """Starts the log, or goes on with an older one, cut back to where the run resumes; None writes nothing."""
        self.has_failed = False  # then a state must not go beyond what is logged
        if path is not None:
            make_folder(path.parent)
            kept = list(_lines_up_to(path, step, epochs)) if step > 0 and path.exists() else []
            with atomic_file(str(path)) as file:
                file.write("".join(kept).encode())
        self._file = (path or Path(os.devnull)).open("a", encoding="utf-8")
        self._curves = None if path is None else EventFiles(path.parent, path)

    def write(self, events: list[dict[str, Any]]) -> None:
        """Appends the events and hands them to the system."""
        try:
            self._file.writelines(json.dumps(event) + "\n" for event in events)
            self._file.flush()
            if self._curves is not None:
                self._curves.write(events)
        except OSError as error:
            self.has_failed = True
            raise CheckpointError(
                f"{self._file.name} cannot be written: {error.strerror or error}.",
                "The last saved state is whole. Make room and go on with --resume.",
            ) from error

    def close(self) -> None:
        """Closes the file; what could not be written was told before."""
        with suppress(OSError):
            self._file.close()
            if self._curves is not None:
                self._curves.close()


def make_folder(path: Path) -> None:
    """Makes the folder of a run; only once nothing else can be wrong with the run, so that no empty one stays."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {path} cannot be made: {error.strerror}.", "Choose another --output-dir."
        ) from error


def _lines_up_to(path: Path, step: int, epochs: int) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:  # the process was killed while it wrote
                continue
            if event["step"] <= step and (event["type"] != "epoch" or event["epoch"] <= epochs):
                yield line
