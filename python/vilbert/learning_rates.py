"""A learning-rate range test (Smith, arXiv 1506.01186): a short training whose rate rises from step to step."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from vilbert.errors import DivergedError
from vilbert.train import EVENT_SECONDS, TrainingRun

SMOOTHING = 0.9  # of the moving average that stands for the loss, which differs from batch to batch
DIVERGED = 4  # times the lowest smoothed loss: no higher rate is worth a step
LEAST_FALL = 0.02  # share of the first smoothed loss by which it must fall for a rate to be suggested
BELOW_LOWEST = 10  # where the loss is lowest a rate is about to be too high: a tenth of it is safe


@dataclass(frozen=True)
class RisingRates:
    """The run's schedule during the test: from `first` to `last` in equal ratios."""

    first: float
    last: float
    steps: int
    lr: float  # of the run, which the factor is of

    warmup_steps = 0

    def factor(self, step: int) -> float:
        """What the run's rates are multiplied by in 1-based `step`."""
        share = (step - 1) / max(1, self.steps - 1)
        return self.first * (self.last / self.first) ** share / self.lr


def find_learning_rate(request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Trains for `steps` steps while the body's rate rises from `first` to `last`; suggests a rate.

    Request: that of `vilbert.train`, and `range` of `first`, `last` and `steps`. The heads' rate rises with that of
    the body, in the run's ratio. Nothing of the run is written. The test ends where the loss becomes infinite, or
    many times what it was.
    """
    wanted = request["range"]
    run = TrainingRun(request, writes=False)
    run.schedule = RisingRates(wanted["first"], wanted["last"], wanted["steps"], run.spec.lr)
    points: list[dict[str, float]] = []
    average, reported = 0.0, perf_counter()
    diverged = False
    try:
        for step, _ in run.first_steps(wanted["steps"]):
            average = SMOOTHING * average + (1 - SMOOTHING) * step["loss"]
            smoothed = average / (1 - SMOOTHING ** (len(points) + 1))
            points.append({"lr": step["lr"]["body"], "loss": step["loss"], "smoothedLoss": smoothed})
            diverged = smoothed > DIVERGED * min(point["smoothedLoss"] for point in points)
            if diverged:
                break
            if perf_counter() - reported > EVENT_SECONDS:
                reported = perf_counter()
                yield {"done": len(points), "total": wanted["steps"], **points[-1]}
    except DivergedError:
        diverged = True
    return {"points": points, "diverged": diverged, **suggestion(points)}


def suggestion(points: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The rate where the smoothed loss falls fastest, at most a tenth of the one where it is lowest.

    `suggested` is None where no rate makes it fall.
    """
    none = {"suggested": None, "steepest": None, "lowest": None}
    if len(points) < 3:
        return none
    losses = np.array([point["smoothedLoss"] for point in points])
    rates = np.array([point["lr"] for point in points])
    lowest = int(np.argmin(losses))
    if lowest < 2 or losses[lowest] > (1 - LEAST_FALL) * losses[0]:
        return none
    slopes = np.gradient(losses[: lowest + 1], np.log(rates[: lowest + 1]))
    steepest = float(rates[int(np.argmin(slopes))])
    suggested = min(steepest, float(rates[lowest]) / BELOW_LOWEST)
    return {"suggested": suggested, "steepest": steepest, "lowest": float(rates[lowest])}
