"""Weights in and out: into a model from mapped files, out as `.pdparams` that stock `paddle.load` reads."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from paddle import nn

from vilbert.config import ModelConfig
from vilbert.errors import CheckpointError
from vilbert.model import Vilbert
from vilbert.tensors import TensorFile

# Paddle 2 kept the scale of a weight-normed linear as [1], Paddle 3 as [].
SCALAR_SHAPES = {(), (1,)}
SHOWN = 5  # names in a message


def load_weights(model: Vilbert, weights: TensorFile) -> None:
    """Copies every tensor into the model; refuses a file with other names or shapes."""
    parameters = dict(model.named_parameters())
    check_fit({name: tuple(p.shape) for name, p in parameters.items()}, weights)
    for name, parameter in parameters.items():
        parameter.set_value(weights.float32(name).reshape(parameter.shape))


def check_fit(expected: Mapping[str, tuple[int, ...]], weights: TensorFile) -> None:
    """Raises a CheckpointError that names the first few tensors that are missing, unknown or of another shape."""
    missing = [name for name in expected if name not in weights]
    unknown = [name for name in weights if name not in expected]
    differing = [
        f"{name} is {list(weights.shape(name))}, the model wants {list(shape)}"
        for name, shape in expected.items()
        if name in weights and not _same_shape(weights.shape(name), shape)
    ]
    problems = [
        _some("lacks", missing),
        _some("has unknown tensors", unknown),
        _some("has tensors of another shape:", differing),
    ]
    if any(problems):
        raise CheckpointError(
            f"{weights.path} does not fit the model: it {'; it '.join(filter(None, problems))}.",
            "Use the configuration that the checkpoint was made with (--config).",
        )


def _same_shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return found == wanted or {found, wanted} <= SCALAR_SHAPES


def _some(verb: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{verb} {', '.join(items[:SHOWN])}{more}"


def initialise(model: Vilbert, seed: int) -> None:
    """Seeded start from nothing: matrices normal with std `initializer_range`, biases 0, layer norms 1.

    Each tensor has a random stream of its own, so a tensor's start does not depend on the others.
    """
    for name, parameter in model.named_parameters():
        parameter.set_value(initial_value(name, tuple(parameter.shape), model.config, seed))
    for layer in (model.vil_prediction.main["0"], model.vil_prediction.main["3"]):
        layer.weight_g.set_value(layer.weight_v.norm())


def initial_value(name: str, shape: tuple[int, ...], config: ModelConfig, seed: int) -> np.ndarray:
    """The first value of one tensor."""
    if name.endswith(".bias"):
        return np.zeros(shape, np.float32)
    if "LayerNorm" in name or name.endswith(".weight_g"):
        return np.ones(shape, np.float32)
    key = np.frombuffer(name.encode().ljust(-len(name) % 4 + len(name)), np.uint32)
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *key.tolist()])))
    return random.standard_normal(shape, np.float32) * np.float32(config.initializer_range)


def parameter_values(model: nn.Layer) -> Iterator[tuple[str, np.ndarray]]:
    """Names and values in the model's order."""
    for name, parameter in model.named_parameters():
        yield name, parameter.numpy()


def save_pdparams(path: str, values: Iterator[tuple[str, np.ndarray]]) -> None:
    """Writes a state dict that stock `paddle.load` reads; the old file stays until the new one is whole."""
    state = dict(values)
    state["StructuredToParameterName@@"] = {
        name: name for name in state
    }  # how paddle.load knows a state dict
    with atomic_file(path) as file:
        pickle.dump(state, file, protocol=4)


def save_json(path: str, value: Any) -> None:
    """Writes JSON; the old file stays until the new one is whole."""
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=2, allow_nan=False).encode() + b"\n")


def save_rows(path: str, rows: Iterable[Any]) -> None:
    """Writes a JSON array with one row a line; the old file stays until the new one is whole."""
    with atomic_file(path) as file:
        lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
        file.write(f"[\n{lines}\n]\n".encode())


@contextmanager
def atomic_file(path: str) -> Iterator[IO[bytes]]:
    """A temporary file beside `path` that takes its name only once it is written and synced."""
    try:
        yield from _write_beside(Path(path).resolve())
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(
            f"{path} cannot be written: {reason}.", "Make room or choose another place."
        ) from error


def _write_beside(path: Path) -> Iterator[IO[bytes]]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
