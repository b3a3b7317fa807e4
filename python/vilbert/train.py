"""Fine-tuning on referring expressions."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from fnmatch import fnmatchcase
from itertools import chain, islice, tee
from itertools import count as counting
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from vilbert.ahead import ahead
from vilbert.averaging import MovingAverage
from vilbert.cancellation import stops_at_events
from vilbert.carried import CarriedTensors, forget_unused
from vilbert.checkpoint import producer
from vilbert.config import ModelConfig
from vilbert.dataset import ReferringDataset, in_order, open_split
from vilbert.errors import ConfigError, DivergedError
from vilbert.evaluate import MIN_OVERLAP, judge
from vilbert.learner import learner_of
from vilbert.memory import give_back_unused
from vilbert.model import Vilbert, unused_prefixes
from vilbert.optim import OptimizerSettings, RateFactors, Rates, Schedule
from vilbert.parallel import processes
from vilbert.reproducible import compute_threads, make_deterministic
from vilbert.run_folder import MetricsLog, RunFolder, SavedState, Snapshot
from vilbert.same_start import check_same_start
from vilbert.seeded import epoch_order, step_seed, with_fraction
from vilbert.session import build_model, check_data_fit, use_device
from vilbert.tensors import TensorFile
from vilbert.training_spec import TrainingSpec

EVENT_SECONDS = 0.2  # steps of a small model take milliseconds: one event covers those of this time
REPORT, TIME_IS_UP = 1, 2  # what the first process wishes of all after a step


@stops_at_events
def train(request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Trains; yields typed events, returns a summary.

    Request: `config`, `weights` (tensor index or None), `data`, `vocabulary`, `training` (TrainingSpec), `resume`
    (None, "last" or "best") and `overwrite` (whether a run that is there already may go).
    Writes metrics.jsonl, states, the last and the best checkpoint into the run's folder. Closing the generator
    between two events ends the run with its state saved.
    """
    run = TrainingRun(request)
    yield run.describe()
    try:
        while not run.is_finished:
            yield from run.train_epoch()
            if run.is_finished and not run.is_epoch_end:
                break
            yield (yield from run.finish_epoch())
        run.save_if_moved()
    except DivergedError:
        raise  # nothing of this state is worth keeping
    except BaseException:
        run.save_if_moved()
        raise
    finally:
        run.metrics.close()
    return run.summary()


class TrainingRun:
    """The state of one run: model, optimizer, position, best accuracy."""

    def __init__(self, request: dict[str, Any], *, writes: bool = True) -> None:
        """Makes everything ready; nothing of the run is written (nor read) unless it `writes`."""
        self.spec = spec = TrainingSpec.from_json(request["training"])
        self.processes = processes()
        self._is_writer = writes and self.processes.is_first
        use_device(request.get("device"))
        config = ModelConfig.from_json(request["config"])
        self._config_json = request["config"]
        self._data_fingerprint = request["data"]["fingerprint"]
        data, vocabulary = request["data"], request["vocabulary"]
        self.examples = open_split(data, "train", vocabulary, spec.limit)
        if spec.fraction < 1:
            self.examples = with_fraction(self.examples, spec.fraction, spec.seed)
        self.validation = open_split(data, "val", vocabulary, spec.limit) if "val" in data["splits"] else None
        check_data_fit(config, self.examples)
        self.folder = RunFolder(spec.output_dir, spec.keep, is_ours=self._is_writer)
        saved = self._saved_state(request) if writes else None
        if spec.deterministic:
            make_deterministic(None if saved is None else saved.state.get("threads"))
        weights = request["weights"] if saved is None else saved.weights
        self.model = build_model(spec.model_config(config), weights, spec.seed)
        trained = trained_parameters(self.model, spec)
        self.learner = learner_of(self.model, spec)
        settings = OptimizerSettings(spec.recipe, spec.weight_decay, spec.clip)
        self.optimizer = self.learner.optimizer(trained, settings)
        self.trained = [parameter for _, parameter in trained]
        self.average = None if spec.ema is None else MovingAverage(trained, spec.ema)
        self.steps_per_epoch = -(-len(self.examples) // spec.batch_size)
        self.total_steps = min(self.steps_per_epoch * spec.epochs, spec.max_steps or 2**62)
        self.schedule: RateFactors = Schedule(
            int(self.total_steps * spec.warmup_fraction),
            [epoch * self.steps_per_epoch for epoch in spec.decay_epochs],
        )
        self.step = 0
        self.epochs: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self.seconds_before = 0.0  # that the run took before it was resumed
        self._seconds_waiting = 0.0  # for batches, since the start of this process
        self._stopped_early: str | None = None
        self._unlogged: list[dict[str, Any]] = []  # steps that no event has told of yet
        self._is_whole = True  # not while a step changes weights, moments and averages one by one
        if saved is not None:
            self._restore(saved)
        self._saved_at = (self.step, len(self.epochs)) if saved is not None else None
        self._resumed_step = self.step
        self._started = time.perf_counter()
        # Only now, with everything checked and read, is anything of an earlier run given up.
        check_same_start(self.processes, self._told_to_others(), spec, self.model.parameters())
        self.folder.forget_after(saved)
        log = self.folder.path / "metrics.jsonl" if self._is_writer else None
        self.metrics = MetricsLog(log, step=self.step, epochs=len(self.epochs))
        self._carried = CarriedTensors(self.model, spec.output_dir) if self._is_writer else None
        forget_unused(self.model)

    def _told_to_others(self) -> dict[str, Any]:
        return {
            "data": self._data_fingerprint,
            "state": [self.step, len(self.epochs)],
            "software": [producer(), self.learner.engine, self.learner.precision],
            "settings": self._config_json,
        }

    def _saved_state(self, request: dict[str, Any]) -> SavedState | None:
        if request.get("resume"):
            return self.folder.load(request["resume"])
        if self.folder.has_states and not request.get("overwrite"):
            raise ConfigError(
                f"{self.folder.path} already holds a training run.",
                "Go on with it by --resume last, choose another --output-dir, or pass --overwrite.",
            )
        return None

    def _restore(self, saved: SavedState) -> None:
        state = saved.state
        if state["stepsPerEpoch"] != self.steps_per_epoch:
            raise ConfigError(
                f"The run has {state['stepsPerEpoch']} steps an epoch, with these settings and data there are "
                f"{self.steps_per_epoch}: its position means nothing here.",
                "Resume with the batch size, limit and data that the run was started with.",
            )
        self.step, self.epochs, self.best = state["step"], state["epochs"], state["best"]
        self.seconds_before = state["seconds"]
        self.optimizer.restore(saved.optimizer)
        if self.average is not None and saved.averages is not None:
            self.average.restore(TensorFile(saved.averages))
        self._stop_if_patience_is_over()

    @property
    def is_epoch_end(self) -> bool:
        """Whether all steps of the epoch under way are taken."""
        return self.step == (len(self.epochs) + 1) * self.steps_per_epoch

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        all_steps = self.step >= self.total_steps and not self.is_epoch_end
        return all_steps or self._stopped_early is not None or len(self.epochs) >= self.spec.epochs

    @property
    def seconds(self) -> float:
        """Time that the run took so far."""
        return self.seconds_before + time.perf_counter() - self._started

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
            "resumedStep": self._resumed_step,
            "versions": {**producer(), "engine": f"{self.learner.engine}, {self.learner.precision}"},
            "device": paddle.device.get_device(),
        }

    def train_epoch(self) -> Iterator[dict[str, Any]]:
        """Takes the steps that the epoch has left; yields events that each cover those of a short while."""
        taken = self.step - len(self.epochs) * self.steps_per_epoch
        order = epoch_order(len(self.examples), self.spec, len(self.epochs) + 1)
        steps = list(in_order(order, self.spec.batch_size))[taken : taken + self.total_steps - self.step]
        with self._assembled(steps) as batches:
            yield from self._take_steps(steps, batches)

    def first_steps(self, count: int) -> Iterator[tuple[dict[str, Any], float]]:
        """Takes steps from the start, through as many epochs as that takes; yields what each was and its seconds.

        They are neither logged nor saved: for trials that end with the process.
        """
        epochs = (epoch_order(len(self.examples), self.spec, epoch) for epoch in counting(1))
        every = (rows for order in epochs for rows in in_order(order, self.spec.batch_size))
        steps = list(islice(every, count))
        with self._assembled(steps) as batches:
            for rows, own in zip(steps, batches):
                since = time.perf_counter()
                step, _ = self._take_step(rows, own, since)
                yield step, time.perf_counter() - since

    @contextmanager
    def _assembled(self, steps: Sequence[Sequence[int]]) -> Iterator[Iterator[Iterator[Any]]]:
        """This process's batches of each step, assembled ahead."""
        groups, counts = tee(self._groups(rows) for rows in steps)
        with closing(ahead(chain.from_iterable(groups), self._assemble, self.spec.workers)) as batches:
            yield (islice(batches, len(each)) for each in counts)

    def _assemble(self, rows: Sequence[int]) -> Any:
        return self.learner.assemble(self.examples, rows)

    def _take_steps(
        self, steps: Sequence[Sequence[int]], batches: Iterator[Iterator[Any]]
    ) -> Iterator[dict[str, Any]]:
        expressions, since = 0, time.perf_counter()
        for rows, own in zip(steps, batches):
            step, wish = self._take_step(rows, own, since)
            self._unlogged.append(step)
            expressions += len(rows)
            is_save_due = self.spec.save_every_steps and self.step % self.spec.save_every_steps == 0
            if wish == TIME_IS_UP:
                self._stopped_early = "time limit"
            if wish or is_save_due:
                yield self._report(expressions / (time.perf_counter() - since))
                expressions, since = 0, time.perf_counter()
            if is_save_due:
                self._save(is_best=False)
                self._wait_for_writer()
            if wish == TIME_IS_UP:
                break
        if self._unlogged:
            yield self._report(expressions / (time.perf_counter() - since))

    def _wish(self, since: float) -> int:
        """What is due by the clock, which only that of the first process may tell."""
        now, limit = time.perf_counter(), self.spec.time_limit_minutes
        if limit is not None and now - self._started > 60 * limit:
            return TIME_IS_UP
        return REPORT if now - since > EVENT_SECONDS else 0

    def _groups(self, rows: Sequence[int]) -> list[list[int]]:
        """This process's rows of a step, in groups that go through the model one after the other."""
        groups: list[list[int]] = []
        for part in in_order(rows, self.spec.batch_size // self.spec.grad_accumulation):
            own = self.processes.share(part, [self.examples.region_count(row) for row in part])
            if own:
                counts = [self.examples.region_count(row) for row in own]
                groups.extend(self.learner.groups(own, counts))
        return groups

    def _take_step(
        self, rows: Sequence[int], batches: Iterator[Any], since: float
    ) -> tuple[dict[str, Any], int]:
        step = self.step + 1
        seed = step_seed(self.spec.seed, step, self.processes.rank)
        factor = self.schedule.factor(step)
        rates = Rates(body=self.spec.lr * factor, head=self.spec.head_lr * factor)
        self.optimizer.begin(rates)
        on_change = self._changes if self.processes.count == 1 else None
        loss = self.learner.learn(self._awaited(batches), len(rows), seed, on_change)
        loss, wish = self.processes.add_up(self.trained, loss, self._wish(since))
        if not math.isfinite(loss):
            raise DivergedError(
                self._divergence(step, loss, rows), "Try a lower --lr, or clip gradients with --clip."
            )
        self._changes()
        self.optimizer.finish()
        if self.average is not None:
            self.average.update()
        if self.spec.recompute:
            give_back_unused()  # of the full model 200 MB in 15 ms: the next step's tensors would not fill the same gaps
        self.step, self._is_whole = step, True
        event = {
            "type": "step",
            "step": step,
            "epoch": len(self.epochs) + 1,
            "loss": loss,
            "lr": {"body": rates.body, "head": rates.head},
        }
        return event, wish

    def _changes(self) -> None:
        self._is_whole = False

    def _awaited(self, batches: Iterator[Any]) -> Iterator[Any]:
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self._seconds_waiting += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def _divergence(self, step: int, loss: float, rows: Sequence[int]) -> str:
        shown = ", ".join(str(self.examples.expressions[row].sent_id) for row in rows[:5])
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        good = (
            f"the state of step {self._saved_at[0]} is saved"
            if self._saved_at
            else "no state was saved before"
        )
        return f"The loss became {loss} at step {step} (sentences {shown}{more}); {good}."

    def _report(self, expressions_per_second: float) -> dict[str, Any]:
        steps = self._log_steps()
        return {"type": "steps", "steps": steps, "expressionsPerSecond": expressions_per_second}

    def _log_steps(self) -> list[dict[str, Any]]:
        steps, self._unlogged = self._unlogged, []
        self.metrics.write(steps)
        return steps

    def finish_epoch(self) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """Validates and saves; returns the epoch's event."""
        epoch = len(self.epochs) + 1
        is_due = epoch % self.spec.eval_every == 0 or epoch == self.spec.epochs
        accuracy = (yield from self._validate()) if is_due else None
        is_best = accuracy is not None and (self.best is None or accuracy > self.best["valAccuracy"])
        event = {
            "type": "epoch",
            "epoch": epoch,
            "step": self.step,
            "valAccuracy": accuracy,
            "seconds": self.seconds - sum(event["seconds"] for event in self.epochs),
            "best": is_best,
        }
        self.epochs.append(event)
        if is_best:
            self.best = {"step": self.step, "epochs": epoch, "valAccuracy": accuracy}
        self._stop_if_patience_is_over()
        self.metrics.write([event])
        self._save(is_best=is_best)
        self._wait_for_writer()
        return event

    def _stop_if_patience_is_over(self) -> None:
        if self.spec.patience is None or self.best is None:
            return
        validated = [event for event in self.epochs if event["valAccuracy"] is not None]
        since_best = [event for event in validated if event["epoch"] > self.best["epochs"]]
        if len(since_best) >= self.spec.patience:
            self._stopped_early = "no better validation"

    def _validate(self) -> Generator[dict[str, Any], None, float | None]:
        if self.validation is None:
            return None
        if self.average is None:
            return (yield from self._judge(self.validation))
        with self.average.in_place():
            return (yield from self._judge(self.validation))

    def _judge(self, validation: ReferringDataset) -> Generator[dict[str, Any], None, float]:
        judging = judge(self.learner.scorer(), validation, self.spec.eval_batch_size, self.processes)
        while True:
            try:
                progress = next(judging)
            except StopIteration as finished:
                return float(np.mean([judgement.overlap > MIN_OVERLAP for judgement in finished.value]))
            yield {**progress, "type": "validation"}

    def save_if_moved(self) -> None:
        """Saves the state unless it is on disk already, or something failed half-way through it or its log."""
        if not self._is_whole or self.metrics.has_failed:
            return
        if self._saved_at != (self.step, len(self.epochs)):
            self._log_steps()
            self._save(is_best=False)

    def _save(self, *, is_best: bool) -> None:
        self._saved_at = (self.step, len(self.epochs))
        if self._carried is None:
            return
        averages = None
        if self.average is not None:
            averages = self.average.instead_of(self._carried.values())
        snapshot = Snapshot(
            step=self.step,
            state={
                "epochs": self.epochs,
                "best": self.best,
                "seconds": self.seconds,
                "stepsPerEpoch": self.steps_per_epoch,
                "threads": compute_threads(),
                "dataFingerprint": self._data_fingerprint,
                "versions": producer(),
            },
            weights=self._carried.values(),
            averages=averages,
            optimizer=self.optimizer.arrays(),
            sidecar=self._sidecar(),
        )
        self.folder.save(snapshot, is_best=is_best)

    def _wait_for_writer(self) -> None:
        self.processes.wait_for_first(f"saved step {self.step}, {len(self.epochs)} epochs")

    def _sidecar(self) -> dict[str, Any]:
        return {
            "schema": "vilbert-ts/checkpoint@1",
            "config": self._config_json,
            "producer": producer(),
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
        folder: Path = self.folder.path
        return {
            "outputDir": str(folder),
            "steps": self.step,
            "epochs": len(self.epochs),
            "best": self.best and {"epoch": self.best["epochs"], "valAccuracy": self.best["valAccuracy"]},
            "lastValAccuracy": self.epochs[-1]["valAccuracy"] if self.epochs else None,
            "stoppedEarly": self._stopped_early,
            "secondsTotal": self.seconds,
            "secondsWaiting": self._seconds_waiting,
            "files": {
                "metrics": str(folder / "metrics.jsonl"),
                "last": str(folder / "last.pdparams"),
                "best": str(folder / "best.pdparams") if self.best else None,
            },
        }


def trained_parameters(model: Vilbert, spec: TrainingSpec) -> list[tuple[str, Tensor]]:
    """The parameters that learn: those that reach the region logits and are not frozen.

    Raises a ConfigError for a pattern that freezes nothing, and where nothing is left.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in spec.freeze:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(
                f"--freeze {pattern} matches no parameter.", "Names look like bert.encoder.layer.0.*"
            )
    unused = unused_prefixes(model.config)
    trained = []
    for name, parameter in model.named_parameters():
        parameter.stop_gradient = spec.is_frozen(name)
        if not spec.is_frozen(name) and not name.startswith(unused):
            trained.append((name, parameter))
    if not trained:
        raise ConfigError("--freeze leaves nothing to train.", "Freeze less.")
    return trained
