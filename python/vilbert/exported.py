"""The graph of `region_logits`, exported once for a checkpoint: for Paddle Inference, where there are no kernels.

An engine is a folder: the operators (`graph.json`) and the weights (`graph.pdiparams`) as Paddle writes them, and
`engine.json` with the size and SHA-256 of both. It is derived data: what is not whole is made again, and of the
engines in a folder only those that were used last are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import sys
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.static import InputSpec

from vilbert.carried import unused_parameters
from vilbert.checkpoint import content_sample
from vilbert.config import ModelConfig
from vilbert.errors import CheckpointError
from vilbert.files import new_folder, remove_leftovers
from vilbert.kernel_library import processor_has_bfloat16
from vilbert.model import Vilbert, padded_inputs, unused_prefixes
from vilbert.own_process import own_process
from vilbert.session import build_model

GRAPH_VERSION = 1  # raise it when the model computes otherwise, or the graph has other inputs
KEPT_ENGINES = 3
STEPS = 3  # of an export: the model is there, the graph is written, the engine is whole
GRAPH, WEIGHTS, NOTE = "graph.json", "graph.pdiparams", "engine.json"
SPARE_BYTES = 16 << 20  # the operators and what a file system needs beside the weights

Progress = Generator[dict[str, Any], None, None]


def unfit_because() -> str | None:
    """Why this process cannot use an exported engine, as a clause; None where it can."""
    if paddle.device.get_device() != "cpu":
        return f"Paddle computes on {paddle.device.get_device()}"
    if not paddle.inference.Config().mkldnn_enabled():
        return "this Paddle has no oneDNN"
    return None


def status() -> dict[str, Any]:
    """What `doctor` shows of it."""
    return {"unfitBecause": unfit_because(), "hasBfloat16": processor_has_bfloat16()}


def engine_folder(engines: str, config: dict[str, Any], weights: dict[str, Any]) -> Path:
    """Where the engine of a checkpoint lies or would lie in the folder `engines`.

    The sample of the content may miss a change of a few numbers, so the time of the file's last change counts, too.
    """
    file = Path(weights["file"])
    status = file.stat()
    sample = content_sample(str(file), status.st_size)
    identity = [GRAPH_VERSION, paddle.__version__, config, sample, status.st_mtime_ns]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    return Path(engines) / digest.hexdigest()[:32]


def numbers_in_graph(config: dict[str, Any], weights: dict[str, Any]) -> int:
    """How many numbers of a checkpoint its graph holds."""
    unused = unused_prefixes(ModelConfig.from_json(config))
    return sum(
        math.prod(tensor["shape"]) for tensor in weights["tensors"] if not tensor["name"].startswith(unused)
    )


def is_whole(folder: Path) -> bool:
    """Whether both files of an engine are what its export wrote, to the last byte."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        return note["files"] == [_described(folder / name) for name in (GRAPH, WEIGHTS)]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def note_use(folder: Path) -> None:
    """Says that an engine was used now; where that cannot be written it goes earlier, no more."""
    with contextlib.suppress(OSError):
        os.utime(folder / NOTE)


def make_engine(folder: Path, config: dict[str, Any], weights: dict[str, Any] | None) -> Progress:
    """Exports the engine of a checkpoint (or of seeded weights) into `folder`; yields how far it is.

    The export has a process of its own, because a model that was exported stays in memory. Raises a CheckpointError
    where the weights do not fit or the folder cannot be written; whatever happens, `folder` is whole or not there.
    """
    job = {"config": config, "weights": weights, "folder": str(folder)}
    yield _step(0)
    with own_process("vilbert.exported", job) as process:
        assert process.stdout is not None, "it is piped"
        for done, line in enumerate(process.stdout, 1):
            answer = json.loads(line)
            if answer is not None:
                raise CheckpointError(answer["message"], answer["next"])
            yield _step(done)
        if process.wait() != 0:
            raise _cannot_export(f"its process ended with {process.returncode}")


def _step(done: int) -> dict[str, Any]:
    return {"type": "export", "done": done, "total": STEPS}


def export(folder: Path, config: dict[str, Any], weights: dict[str, Any] | None) -> Iterator[None]:
    """Does what `make_engine` promises, in this process; yields after each step."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder.parent)
        _make_room(folder, 0 if weights is None else 4 * numbers_in_graph(config, weights))
        with new_folder(folder) as staging:
            model = build_model(ModelConfig.from_json(config), weights, seed=0)
            yield
            _write_graph(model, staging)
            yield
            note = {
                "schema": "vilbert-ts/engine@1",
                "checkpoint": None if weights is None else weights["file"],
                "files": [_described(staging / name) for name in (GRAPH, WEIGHTS)],
            }
            (staging / NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
            for path in staging.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
    except OSError as error:
        if not is_whole(folder):  # another process may have been faster
            raise _cannot_write(folder.parent, error.strerror or str(error)) from error
    yield


def _make_room(folder: Path, needed_bytes: int) -> None:
    """Removes what is not whole and the engines that were not used for longest; refuses a disk that is too small."""
    shutil.rmtree(folder, ignore_errors=True)
    used = sorted(folder.parent.glob(f"*/{NOTE}"), key=lambda note: note.stat().st_mtime_ns, reverse=True)
    for note in used[KEPT_ENGINES - 1 :]:
        note.unlink()  # first, so that one half removed is not taken for whole
        shutil.rmtree(note.parent)
    needed_bytes += SPARE_BYTES
    free_bytes = shutil.disk_usage(folder.parent).free
    if free_bytes < needed_bytes:
        reason = f"{needed_bytes >> 20} MiB are needed and {free_bytes >> 20} MiB free"
        raise _cannot_write(folder.parent, reason)


def _cannot_write(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"The exported engine cannot be written to {folder}: {reason}.",
        "Pass --cache-dir with a folder that can be written and has space, or --engine stock.",
    )


def _cannot_export(reason: str) -> CheckpointError:
    return CheckpointError(
        f"The graph of the model cannot be exported: {reason}.",
        "Use --engine stock; with --verbose you see Python's output.",
    )


class _RegionLogits(nn.Layer):
    """What is exported: `region_logits` of a padded batch."""

    def __init__(self, model: Vilbert) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, features: Tensor, locations: Tensor, token_mask: Tensor, region_mask: Tensor
    ) -> Tensor:
        """(B, R) of tokens (B, T), features (B, R, v_feature_size), locations (B, R, 5) and masks (B, T), (B, R)."""
        return self.model.region_logits(
            padded_inputs(tokens, features, locations, token_mask, region_mask)
        )  # (B, R)


def _write_graph(model: Vilbert, folder: Path) -> None:
    """Writes operators and weights with batch, tokens and regions left open."""
    _drop_unused(model)
    model.eval()
    wanted = sum(int(parameter.size) * 4 for parameter in model.parameters())
    inputs = [
        InputSpec([None, None], "int64", "tokens"),
        InputSpec([None, None, model.config.v_feature_size], "float32", "features"),
        InputSpec([None, None, 5], "float32", "locations"),
        InputSpec([None, None], "float32", "token_mask"),
        InputSpec([None, None], "float32", "region_mask"),
    ]
    paddle.jit.save(_RegionLogits(model), str(folder / "graph"), input_spec=inputs)
    # Paddle does not tell that a disk was full.
    if (folder / WEIGHTS).stat().st_size < wanted:
        raise OSError("the weights were not written to their end")


def _drop_unused(model: Vilbert) -> None:
    """Takes out the parameters that `region_logits` never touches: what is exported is all of a layer's."""
    layers = dict(model.named_sublayers())
    for name, _ in unused_parameters(model):
        layer, _, parameter = name.rpartition(".")
        delattr(layers[layer], parameter)


def _described(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
        return {"name": path.name, "sizeBytes": file.tell(), "sha256": digest.hexdigest()}


def main() -> None:
    """Exports what standard input says; answers each step with null on a line, a failure with an object."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Paddle prints
    job = json.load(sys.stdin)
    try:
        for _ in export(Path(job["folder"]), job["config"], job["weights"]):
            answers.write("null\n")
    except Exception as error:  # noqa: BLE001 (Paddle raises what it likes)
        traceback.print_exc()
        if not isinstance(error, CheckpointError):
            error = _cannot_export(" ".join(f"{type(error).__name__}: {error}".split())[:300])
        answers.write(json.dumps({"message": str(error), "next": error.next}) + "\n")


if __name__ == "__main__":
    main()
