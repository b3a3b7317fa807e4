"""Weights in and out: into a model from mapped files, out as `.pdparams` that stock `paddle.load` reads."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import paddle
from paddle import nn

from vilbert import pdparams
from vilbert.config import ModelConfig
from vilbert.errors import CheckpointError
from vilbert.model import Vilbert, unused_prefixes
from vilbert.tensors import TensorFile
from vilbert.views import numbers_of

# Paddle 2 kept the scale of a weight-normed linear as [1], Paddle 3 as [].
SCALAR_SHAPES = {(), (1,)}
SHOWN = 5  # names in a message
SAMPLED_BLOCKS, BLOCK_BYTES = 64, 4096


def load_weights(model: Vilbert, weights: TensorFile) -> None:
    """Copies every tensor into the model; refuses a file with other names or shapes.

    A file that holds what referring expressions need and nothing else is taken too: the rest starts anew. The pages
    of the file are given back tensor by tensor, so that the weights are in memory once.
    """
    parameters = dict(model.named_parameters())
    unused = unused_prefixes(model.config)
    needed = {name: p for name, p in parameters.items() if not name.startswith(unused)}
    expected = needed if len(weights) == len(needed) else parameters
    check_fit({name: tuple(p.shape) for name, p in expected.items()}, weights)
    for name, parameter in expected.items():
        parameter.set_value(weights.float32(name).reshape(parameter.shape))
        weights.release(name)
    if expected is needed:
        initialise(model, seed=0, names=parameters.keys() - needed.keys())


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


def initialise(model: Vilbert, seed: int, names: Collection[str] | None = None) -> None:
    """Seeded start from nothing: matrices normal with std `initializer_range`, biases 0, layer norms 1.

    Each tensor has a random stream of its own, so a tensor's start does not depend on the others. `names` keeps to
    some tensors.
    """
    for name, parameter in model.named_parameters():
        if names is None or name in names:
            parameter.set_value(initial_value(name, tuple(parameter.shape), model.config, seed))
    for layer in ("0", "3"):
        if names is None or f"vil_prediction.main.{layer}.weight_g" in names:
            head = model.vil_prediction.main[layer]
            head.weight_g.set_value(head.weight_v.norm())


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
        yield name, numbers_of(parameter)


def save_pdparams(path: str, values: Iterable[tuple[str, np.ndarray]]) -> dict[str, Any]:
    """Writes a state dict that stock `paddle.load` reads; the old file stays until the new one is whole.

    One tensor after the other, so that no second copy of the model is held. Returns what its JSON says of the file:
    `file`, `sizeBytes`, `sampleSha256` and the place and SHA-256 of every tensor.
    """
    with atomic_file(path) as file:
        tensors = _write_state_dict(file, values)
        file.flush()
        size = file.tell()
        sample = content_sample(file.name, size)
    return {"file": Path(path).name, "sizeBytes": size, "sampleSha256": sample, "tensors": tensors}


def _write_state_dict(file: IO[bytes], values: Iterable[tuple[str, np.ndarray]]) -> list[dict[str, Any]]:
    tensors = []
    file.write(pdparams.BEGIN)
    with ThreadPoolExecutor(1) as hashing:
        for name, value in values:
            array = np.asarray(value, order="C")
            numbers = array.reshape(-1).view(np.uint8).data
            digest = hashing.submit(hashlib.sha256, numbers)  # while the same numbers are written
            file.write(pdparams.array_head(name, array))
            entry = {"offset": file.tell(), "nbytes": array.nbytes}
            file.write(numbers)
            file.write(pdparams.ARRAY_END)
            described = {"name": name, "dtype": pdparams.dtype_code(array), "shape": list(array.shape)}
            tensors.append({**described, **entry, "sha256": digest.result().hexdigest()})
    file.write(pdparams.end([tensor["name"] for tensor in tensors]))
    return tensors


def content_sample(path: str, size: int) -> str:
    """A hash that tells two versions of a file apart without reading all of it, as `src/checkpoint/sample.ts`."""
    digest = hashlib.sha256(str(size).encode())
    with Path(path).open("rb") as file:
        if size <= SAMPLED_BLOCKS * BLOCK_BYTES:
            digest.update(file.read())
        else:
            for block in range(SAMPLED_BLOCKS):
                file.seek(block * (size - BLOCK_BYTES) // (SAMPLED_BLOCKS - 1))
                digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


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


@contextmanager
def staging_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name only once it is filled; raises an OSError."""
    staging = _temporary(path)
    staging.mkdir()
    try:
        yield staging
        staging.replace(path)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    sync_folder(path.parent)


def _write_beside(path: Path) -> Iterator[IO[bytes]]:
    temporary = _temporary(path)
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


def _temporary(path: Path) -> Path:
    """A name that says whose it is and cannot meet that of another process."""
    return path.with_name(f".{path.name[:160]}.{_host()}-{os.getpid()}-{os.urandom(4).hex()}.tmp")


def remove_leftovers(folder: str) -> None:
    """Removes unfinished files and folders that killed processes of this machine left in a folder, whichever language wrote them."""
    for path in Path(folder).glob(".*.tmp"):
        found = re.fullmatch(r"\..*\.([^.]+)-(\d+)-[0-9a-f]{8}\.tmp", path.name)
        if found and found[1] == _host() and not _is_running(int(found[2])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _host() -> str:
    """Process ids mean nothing on another machine that shares the folder; `src/files.ts` has the same names."""
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:40] or "host"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def producer() -> dict[str, str]:
    """What made a checkpoint, with versions."""
    package = json.loads(Path(__file__).parents[2].joinpath("package.json").read_text(encoding="utf-8"))
    versions = {"paddle": paddle.__version__, "numpy": np.__version__}
    return {"name": "vilbert-ts", "version": package["version"], **versions}
