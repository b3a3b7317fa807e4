"""Two training steps in a process of their own: `python -m vilbert.bench_memory` reads a job, prints its peak memory.

Job: `side` ("baseline" or a precision) and `training`, a request to `vilbert.train`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from vilbert.bench_baseline import PublishedData, PublishedTraining
from vilbert.config import ModelConfig
from vilbert.dataset import open_regions, open_split
from vilbert.memory import peak_resident_bytes
from vilbert.session import build_model
from vilbert.train import TrainingRun

STEPS = 2  # the second one is the first with moments


def main() -> None:
    """Reads the job from standard input."""
    job = json.load(sys.stdin)
    (_published if job["side"] == "baseline" else _ours)(job["training"])
    json.dump({"peakMiB": peak_resident_bytes() / 2**20}, sys.stdout)


def _ours(request: dict[str, Any]) -> None:
    taken = 0
    for event in TrainingRun(request).train_epoch():
        taken += len(event["steps"])
        if taken >= STEPS:
            return


def _published(request: dict[str, Any]) -> None:
    data = request["data"]
    dataset = open_split(data, "train", request["vocabulary"])
    store = open_regions(data["detectedFile"], data["detectedSource"])
    model = build_model(ModelConfig.from_json(request["config"]), request["weights"], seed=0)
    training = PublishedTraining(model, PublishedData(dataset, store, len(store.counts)))
    for _ in range(STEPS):
        training.step(range(request["training"]["batchSize"]))


if __name__ == "__main__":
    main()
