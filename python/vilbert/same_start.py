"""Whether the nodes of a run begin with the same: each reads its own files, and nothing evens them out later."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from paddle import Tensor

from vilbert.errors import ConfigError
from vilbert.parallel import Processes
from vilbert.training_spec import TrainingSpec


def check_same_start(
    processes: Processes, told: dict[str, Any], spec: TrainingSpec, weights: Iterable[Tensor]
) -> None:
    """Raises a ConfigError in every process where the nodes differ in settings, weights or what they are `told`.

    Returns once every process is here. On one machine there is nothing to compare.
    """
    if processes.nodes == 1:
        processes.wait_for_all("start")
        return
    parts = {**told, "settings": [told.get("settings"), _shared_settings(spec)]}
    numbers = [_digest(part) for part in parts.values()]
    names = [*parts, "weights"]
    numbers.append(_weights_digest(weights))
    processes.wait_for_all("start")
    different = processes.differences(numbers)
    if different:
        raise ConfigError(
            f"The nodes of the run do not begin with the same {' and '.join(names[place] for place in different)}.",
            "Give every node the same command, files and software; a run goes on from a folder that all of them share.",
        )


def _shared_settings(spec: TrainingSpec) -> dict[str, Any]:
    """Those that decide what is computed; where files lie and how many processes a node has may differ."""
    return asdict(
        replace(spec, output_dir="", from_pretrained=None, nproc=1, devices=None, workers=0, keep=1)
    )


def _digest(part: Any) -> int:
    return zlib.crc32(json.dumps(part, sort_keys=True).encode())


def _weights_digest(weights: Iterable[Tensor]) -> int:
    digest = 0
    for weight in weights:
        digest = zlib.crc32(weight.numpy().tobytes(), digest)
    return digest
