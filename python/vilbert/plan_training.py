"""What a training run would take: a few of its steps are timed and measured, and nothing of the run is written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Generator, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import paddle
from paddle import Tensor

from vilbert.carried import unused_parameters
from vilbert.dataset import ReferringDataset
from vilbert.evaluate import judge
from vilbert.memory import machine_bytes, peak_resident_bytes
from vilbert.train import TrainingRun

FLOAT_BYTES = 4
WARM_UP_STEPS = 1  # what is made at the first step costs no other one anything
TIMED_EXPRESSIONS = 32  # of the validation, for each process


def plan_training(request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Takes the first `probeSteps` steps of a run and judges a few expressions; returns what the whole would take.

    Request: that of `vilbert.train`, and `probeSteps`. Times are in seconds, sizes in bytes. Several processes do it
    together; memory is that of the first one.
    """
    steps = request["probeSteps"]
    run = TrainingRun(request, writes=False)
    start = run.describe()
    seconds: list[float] = []
    for _, taken in run.first_steps(WARM_UP_STEPS + steps):
        seconds.append(taken)
        yield {"done": len(seconds), "total": WARM_UP_STEPS + steps}
    timed = seconds[WARM_UP_STEPS:]
    validation = yield from _validation_seconds(run)
    left_out = ("type", "resumedStep", "versions")
    return {
        **{name: value for name, value in start.items() if name not in left_out},
        "engine": start["versions"]["engine"],
        "processes": run.processes.count,
        "trainedParameters": count_numbers(run.trained),
        "stepSeconds": {
            "median": median(timed),
            "least": min(timed),
            "most": max(timed),
            "steps": len(timed),
        },
        "validations": _validations(run) if run.validation else 0,
        "validationSeconds": validation,
        "memory": _memory(),
        "disk": _disk(run),
    }


def _validation_seconds(run: TrainingRun) -> Generator[dict[str, Any], None, float | None]:
    """How long judging the whole validation split would take."""
    if run.validation is None:
        return None
    few = _spread(run.validation, TIMED_EXPRESSIONS * run.processes.count)
    began = perf_counter()
    for _ in judge(run.learner.scorer(), few, TIMED_EXPRESSIONS, run.processes):
        pass
    yield {"done": 1, "total": 1}
    return (perf_counter() - began) / len(few) * len(run.validation)


def _spread(dataset: ReferringDataset, count: int) -> ReferringDataset:
    """So many expressions, evenly spread over all."""
    every = dataset.expressions
    count = min(count, len(every))
    return dataset.with_expressions([every[place * len(every) // count] for place in range(count)])


def _validations(run: TrainingRun) -> int:
    """After every so many epochs, and after the last where it comes to its end."""
    whole_epochs = run.total_steps // run.steps_per_epoch
    ends_early = whole_epochs < run.spec.epochs
    due = whole_epochs // run.spec.eval_every
    return due if ends_early or whole_epochs % run.spec.eval_every == 0 else due + 1


def _memory() -> dict[str, Any]:
    on_gpu = paddle.device.get_device() != "cpu"
    return {
        "peak": peak_resident_bytes(),
        "machine": machine_bytes(),
        "gpuPeak": paddle.device.cuda.max_memory_allocated() if on_gpu else None,
    }


def _disk(run: TrainingRun) -> dict[str, Any]:
    """What the run's states take: `last` and `best` are further names of what is in them."""
    parameters = count_numbers(run.model.parameters())
    trained = count_numbers(run.trained)
    copies = 1 if run.average is None else 2
    state = FLOAT_BYTES * (copies * parameters + 2 * trained)  # AdamW has two moments of each
    kept = run.spec.keep + (run.validation is not None)  # the best may be an older one
    carried = FLOAT_BYTES * count_numbers(parameter for _, parameter in unused_parameters(run.model))
    folder = Path(run.spec.output_dir).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "state": state,
        "atEnd": kept * state,
        "atMost": (kept + 1) * state + carried,  # a new state is whole before an old one goes
        "free": shutil.disk_usage(there).free,
    }


def count_numbers(parameters: Iterable[Tensor]) -> int:
    """How many numbers they have, those included whose memory was given back."""
    return sum(math.prod(parameter.shape) for parameter in parameters)
