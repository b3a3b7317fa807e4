"""Fine-tuning on referring expressions."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from vilbert.cancellation import stops_at_events
from vilbert.checkpoint import parameter_values, save_json, save_pdparams
from vilbert.config import ModelConfig
from vilbert.dataset import Batch, in_order, open_split
from vilbert.evaluate import MIN_OVERLAP, judge
from vilbert.model import Vilbert, unused_prefixes
from vilbert.optim import Optimizer, Rates, Schedule
from vilbert.session import build_model, check_data_fit, to_inputs

EVENT_SECONDS = 0.2  # steps of a small model take milliseconds: one event covers those of this time


@dataclass(frozen=True)
class TrainingSpec:
    """The options of a run, checked by the command line (src/config/training.ts)."""

    output_dir: str
    epochs: int
    batch_size: int  # expressions in a step
    lr: float
    head_lr: float
    from_pretrained: str | None = None  # told for the record; the weights come as a tensor index
    eval_batch_size: int = 512
    grad_accumulation: int = 1  # parts into which a batch is cut
    recipe: str = "seed"
    decay_epochs: tuple[int, ...] = (12, 16)
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    clip: float | None = 1.0  # gradients are cut to ± this value
    dropout: float | None = None  # None keeps the rates of the model's configuration
    shuffle: bool = True
    seed: int = 42
    max_steps: int | None = None
    limit: int | None = None  # of expressions of a split

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingSpec:
        """Builds the spec from camelCase keys; an unknown one is a mistake of ours and raises TypeError."""
        spec = cls(**{_snake_case(key): value for key, value in values.items()})
        object.__setattr__(spec, "decay_epochs", tuple(spec.decay_epochs))
        return spec


def _snake_case(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)


@stops_at_events
def train(request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Trains; yields typed events, returns a summary.

    Request: `config`, `weights` (tensor index or None), `data`, `vocabulary`, `training` (TrainingSpec).
    Writes metrics.jsonl, last.pdparams, best.pdparams and their JSON into the run's folder. Closing the generator
    between two events ends the run with the last checkpoint saved.
    """
    run = TrainingRun(request)
    yield run.describe()
    try:
        for epoch in range(1, run.spec.epochs + 1):
            yield from run.train_epoch(epoch)
            yield (yield from run.finish_epoch(epoch))
            if run.is_finished:
                break
    finally:
        run.save_last()
        run.metrics.close()
    return run.summary()


class TrainingRun:
    """The state of one run: model, optimizer, position, best accuracy."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.spec = spec = TrainingSpec.from_json(request["training"])
        config = ModelConfig.from_json(request["config"])
        self._config_json = request["config"]
        data, vocabulary = request["data"], request["vocabulary"]
        self.examples = open_split(data, "train", vocabulary, spec.limit)
        self.validation = open_split(data, "val", vocabulary, spec.limit) if "val" in data["splits"] else None
        check_data_fit(config, self.examples)
        self.model = build_model(
            config if spec.dropout is None else config.with_dropout(spec.dropout),
            request["weights"],
            spec.seed,
        )
        unused = unused_prefixes(config)
        trained = [(name, p) for name, p in self.model.named_parameters() if not name.startswith(unused)]
        self.optimizer = Optimizer(
            trained, recipe=spec.recipe, weight_decay=spec.weight_decay, clip_value=spec.clip
        )
        self.steps_per_epoch = -(-len(self.examples) // spec.batch_size)
        self.total_steps = min(self.steps_per_epoch * spec.epochs, spec.max_steps or 2**62)
        self.schedule = Schedule(
            int(self.total_steps * spec.warmup_fraction),
            [epoch * self.steps_per_epoch for epoch in spec.decay_epochs],
        )
        self.step = 0
        self.saved_step: int | None = None
        self.best: dict[str, Any] | None = None
        self.epochs: list[dict[str, Any]] = []
        self.started = time.perf_counter()
        Path(spec.output_dir).mkdir(parents=True, exist_ok=True)
        self.metrics = MetricsLog(Path(spec.output_dir, "metrics.jsonl"))

    @property
    def is_finished(self) -> bool:
        """Whether the last step was taken."""
        return self.step >= self.total_steps

    def describe(self) -> dict[str, Any]:
        """The first event."""
        return {
            "type": "start",
            "trainExpressions": len(self.examples),
            "valExpressions": len(self.validation) if self.validation else 0,
            "stepsPerEpoch": self.steps_per_epoch,
            "totalSteps": self.total_steps,
            "warmupSteps": self.schedule.warmup_steps,
            "parameters": sum(int(np.prod(p.shape)) for p in self.model.parameters()),
        }

    def train_epoch(self, epoch: int) -> Iterator[dict[str, Any]]:
        """Takes the steps of one epoch; yields events that each cover the steps of a short while."""
        steps: list[dict[str, Any]] = []
        expressions, since = 0, time.perf_counter()
        for rows in in_order(epoch_order(len(self.examples), self.spec, epoch), self.spec.batch_size):
            if self.is_finished:
                break
            steps.append(self._take_step(epoch, rows))
            expressions += len(rows)
            seconds = time.perf_counter() - since
            if seconds > EVENT_SECONDS:
                yield self._report(steps, expressions / seconds)
                steps, expressions, since = [], 0, time.perf_counter()
        if steps:
            yield self._report(steps, expressions / (time.perf_counter() - since))

    def _take_step(self, epoch: int, rows: Sequence[int]) -> dict[str, Any]:
        self.step += 1
        paddle.seed(step_seed(self.spec.seed, self.step))
        self.model.train()
        loss = 0.0
        for part in in_order(rows, self.spec.batch_size // self.spec.grad_accumulation):
            part_loss = summed_loss(self.model, self.examples.batch(part)) / len(rows)
            part_loss.backward()
            loss += float(part_loss)
        factor = self.schedule.factor(self.step)
        rates = Rates(body=self.spec.lr * factor, head=self.spec.head_lr * factor)
        self.optimizer.step(rates)
        return {
            "type": "step",
            "step": self.step,
            "epoch": epoch,
            "loss": loss,
            "lr": {"body": rates.body, "head": rates.head},
        }

    def _report(self, steps: list[dict[str, Any]], expressions_per_second: float) -> dict[str, Any]:
        self.metrics.write(steps)
        return {"type": "steps", "steps": steps, "expressionsPerSecond": expressions_per_second}

    def finish_epoch(self, epoch: int) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """Validates and saves; returns the epoch's event."""
        accuracy = yield from self._validate()
        event = {
            "type": "epoch",
            "epoch": epoch,
            "step": self.step,
            "valAccuracy": accuracy,
            "seconds": time.perf_counter() - self.started - sum(e["seconds"] for e in self.epochs),
        }
        event["best"] = is_best = accuracy is not None and (
            self.best is None or accuracy > self.best["valAccuracy"]
        )
        self.epochs.append(event)
        if is_best:
            self.best = event
        self.save_last()
        if is_best:
            self._save("best")
        self.metrics.write([event])
        return event

    def _validate(self) -> Generator[dict[str, Any], None, float | None]:
        if self.validation is None:
            return None
        self.model.eval()
        judging = judge(self.model, self.validation, self.spec.eval_batch_size)
        while True:
            try:
                progress = next(judging)
            except StopIteration as finished:
                return float(np.mean([judgement.overlap > MIN_OVERLAP for judgement in finished.value]))
            yield progress | {"type": "validation"}

    def save_last(self) -> None:
        """Saves the last checkpoint unless it is already that of this step."""
        if self.saved_step != self.step:
            self._save("last")
            self.saved_step = self.step

    def _save(self, name: str) -> None:
        path = Path(self.spec.output_dir, f"{name}.pdparams")
        save_pdparams(str(path), parameter_values(self.model))
        save_json(str(path.with_suffix(".json")), self._sidecar(path.name))

    def _sidecar(self, file: str) -> dict[str, Any]:
        return {
            "schema": "vilbert-ts/checkpoint@1",
            "file": file,
            "config": self._config_json,
            "producer": {"name": "vilbert-ts", "paddle": paddle.__version__, "numpy": np.__version__},
            "training": {
                "step": self.step,
                "epoch": len(self.epochs),
                "totalSteps": self.total_steps,
                "recipe": self.spec.recipe,
                "seed": self.spec.seed,
            },
            "metrics": {
                "valAccuracy": self.epochs[-1]["valAccuracy"] if self.epochs else None,
                "bestValAccuracy": self.best["valAccuracy"] if self.best else None,
            },
        }

    def summary(self) -> dict[str, Any]:
        """The result of the run."""
        folder = Path(self.spec.output_dir)
        return {
            "outputDir": str(folder),
            "steps": self.step,
            "epochs": len(self.epochs),
            "best": self.best and {"epoch": self.best["epoch"], "valAccuracy": self.best["valAccuracy"]},
            "lastValAccuracy": self.epochs[-1]["valAccuracy"] if self.epochs else None,
            "secondsTotal": time.perf_counter() - self.started,
            "files": {
                "metrics": str(folder / "metrics.jsonl"),
                "last": str(folder / "last.pdparams"),
                "best": str(folder / "best.pdparams") if self.best else None,
            },
        }


class MetricsLog:
    """metrics.jsonl: a line for every step and every epoch."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, events: list[dict[str, Any]]) -> None:
        """Appends the events and hands them to the system."""
        for event in events:
            self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def summed_loss(model: Vilbert, batch: Batch) -> Tensor:
    """Sum of the binary cross entropies of all regions.

    Divided by the size of the batch it is the published loss, 100 times the mean over [batch, 100]: padded regions
    add exactly nothing to that.
    """
    logits = model.region_logits(to_inputs(batch))  # (B, R)
    targets = paddle.to_tensor(batch.targets)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")


def epoch_order(count: int, spec: TrainingSpec, epoch: int) -> list[int]:
    """The order of the examples in an epoch; it depends on the seed and the epoch alone."""
    if not spec.shuffle:
        return list(range(count))
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([spec.seed, epoch])))
    return random.permutation(count).tolist()


def step_seed(seed: int, step: int) -> int:
    """Seed of a step's dropout; it depends on nothing else, so a resumed run needs no stored state."""
    return int(np.random.SeedSequence([seed, step, 0x0D0D]).generate_state(1, np.uint64)[0] >> np.uint64(1))
