"""How fast is it? Our path against what the published code does, alternating in one run."""

from __future__ import annotations

import gc
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from vilbert import kernels
from vilbert.bench_baseline import PublishedData, PublishedTraining, published_regions
from vilbert.bench_data import PROFILES, MadeData, make_data
from vilbert.bench_parts import step_parts
from vilbert.checkpoint import producer
from vilbert.config import ModelConfig
from vilbert.dataset import ReferringDataset, in_order, open_regions, open_split
from vilbert.engine import precisions_of
from vilbert.errors import ConfigError
from vilbert.evaluate import MIN_OVERLAP
from vilbert.exported import make_engine
from vilbert.exported_scorer import ExportedScorer
from vilbert.model import Vilbert
from vilbert.own_process import own_process
from vilbert.reproducible import compute_threads
from vilbert.scorer import Scorer, scorer_of
from vilbert.session import build_model, check_data_fit
from vilbert.train import TrainingRun

IMAGES, EXPRESSIONS = 64, 8192  # of a profile; steps of a small model take milliseconds, and no epoch may end
DATA_IMAGES = (100, 1000, 5000, 20000)  # over which an item must take the same time
DATA_BATCH, DATA_ITEMS, DATA_EXPRESSIONS = 32, 256, 2000
MEMORY_BATCH = 8
LARGE_MEMORY = ("dense", 16)  # profile and batch that show what activations take
BASELINE = "baseline"
AGREEMENT_EXPRESSIONS = 2000  # of a trained model's split, at most

Events = Generator[dict[str, Any], None, None]


@dataclass(frozen=True)
class Side:
    """One of those that take turns."""

    name: str  # "baseline", "fp32" or "bf16"
    engine: str
    work: Callable[[], int]  # the work of one turn; gives the number of items
    events: Iterator[dict[str, Any]] | None = None  # of a training on the kernels


def bench(request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Measures the sections that are asked for; yields an event after each round, returns all measurements.

    Request: `config`, `weights` (tensor index or None), `vocabulary`, `profiles`, `sections` (of eval, train, data and
    memory), `engine` (of eval), `rounds`, `evalBatchSize`, `trainBatchSize`, `recompute` (whether the steps of train
    compute activations twice), `withBaseline`, and `data` (or None) with `split` to see on real data whether bf16
    chooses the same regions.
    """
    if request.get("engine") == "exported" and "train" in request["sections"]:
        # Its threads and those of the kernels wait for work by spinning: in one process each takes twice as long.
        raise ConfigError("The exported engine is measured without training.", "Add --only eval.")
    with tempfile.TemporaryDirectory(prefix="vilbert-ts-bench-") as folder:
        run = Bench(request, Path(folder))
        yield from run.measure()
    return {
        "machine": machine(),
        "parameters": run.parameters,
        "rounds": request["rounds"],
        "batchSizes": {"eval": request["evalBatchSize"], "train": request["trainBatchSize"]},
        "measurements": run.measurements,
        "agreement": run.agreement,
        "steps": run.steps,
    }


class Bench:
    """One run: what was asked for, and what is measured so far."""

    def __init__(self, request: dict[str, Any], folder: Path) -> None:
        self._request = request
        self._folder = folder
        self._config = ModelConfig.from_json(request["config"])
        self.parameters = 0
        self.measurements: list[dict[str, Any]] = []
        self.agreement: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self._data_of: dict[str, dict[str, Any]] = {}

    def measure(self) -> Events:
        """All sections, each with its models gone before the next one's are made."""
        sections = {"eval": self._eval, "train": self._train, "data": self._data, "memory": self._memory}
        for name, section in sections.items():
            if name in self._request["sections"]:
                yield from section()
                gc.collect()

    def _eval(self) -> Events:
        weights = self._request["weights"]
        # The whole model, as the published side computes all heads.
        model = build_model(self._config, weights, seed=0)
        model.eval()
        self.parameters = sum(int(np.prod(p.shape)) for p in model.parameters())
        scorers = yield from self._scorers(model)
        for profile in self._request["profiles"]:
            size = self._request["evalBatchSize"]
            dataset = open_split(self._made(profile), "val", self._request["vocabulary"], 4 * size)
            check_data_fit(self._config, dataset)
            sides = [_scoring(scorer, dataset, size) for scorer in scorers]
            if self._request["withBaseline"]:
                data, rows = self._published(profile, dataset), range(size)
                sides.append(
                    Side(BASELINE, "published", lambda d=data, r=rows: len(published_regions(model, d, r)))
                )
            yield from self._alternate("eval", profile, sides, "ms/expression")
            self._compare(f"made, {profile}", dataset, scorers)
        if self._request["data"] is not None:
            split = self._request["split"]
            dataset = open_split(
                self._request["data"], split, self._request["vocabulary"], AGREEMENT_EXPRESSIONS
            )
            check_data_fit(self._config, dataset)
            self._compare(split, dataset, scorers)

    def _scorers(self, model: Vilbert) -> Generator[dict[str, Any], None, list[Scorer]]:
        """One for each precision that this machine has, fp32 first."""
        engine = self._request.get("engine", "auto")
        precisions = precisions_of(engine)
        if engine != "exported":
            return [scorer_of(model, precision, engine) for precision in precisions]
        folder = self._folder / "engine"
        for event in make_engine(folder, self._request["config"], self._request["weights"]):
            yield {**event, "type": "round", "what": "export"}
        return [ExportedScorer(folder, self._config, precision) for precision in precisions]

    def _compare(self, what: str, dataset: ReferringDataset, scorers: list[Scorer]) -> None:
        """Whether bf16 chooses what fp32 chooses."""
        if len(scorers) < 2:
            return
        exact, low = (
            chosen_regions(scorer, dataset, self._request["evalBatchSize"]) for scorer in scorers[:2]
        )
        targets = dataset.targets(range(len(dataset)))
        right, low_right = (
            [own[region] > MIN_OVERLAP for own, region in zip(targets, regions)] for regions in (exact, low)
        )
        self.agreement.append(
            {
                "what": what,
                "expressions": len(dataset),
                "sameRegion": float(np.mean(exact == low)),
                "accuracyFp32": float(np.mean(right)),
                "accuracyBf16": float(np.mean(low_right)),
            }
        )

    def _train(self) -> Events:
        for profile in self._request["profiles"]:
            sides = [self._training(profile, precision) for precision in training_precisions()]
            if self._request["withBaseline"]:
                sides.append(self._published_training(profile))
            yield from self._alternate("train", profile, sides, "ms/expression")
            for side in sides:
                if side.events is not None:
                    self.steps.append({"profile": profile, **step_parts(side.events, side.name)})
            del sides
            gc.collect()

    def _training(self, profile: str, precision: str) -> Side:
        size = self._request["trainBatchSize"]
        request = self._training_request(profile, precision, size, recompute=self._request["recompute"])
        run = TrainingRun(request)
        self.parameters = sum(int(np.prod(p.shape)) for p in run.model.parameters())
        events = run.train_epoch()
        return Side(
            precision,
            f"{run.learner.engine}, recompute" if self._request["recompute"] else run.learner.engine,
            lambda: size * len(next(events)["steps"]),
            events if run.learner.engine == "kernels" else None,
        )

    def _training_request(
        self, profile: str, precision: str, batch_size: int, *, recompute: bool
    ) -> dict[str, Any]:
        training = {
            "outputDir": str(self._folder / f"run-{profile}-{precision}-{batch_size}"),
            "epochs": 1,
            "batchSize": batch_size,
            "lr": 4e-5,
            "headLr": 1e-4,
            "precision": precision,
            "recompute": recompute,
        }
        return {
            "config": self._request["config"],
            "weights": self._request["weights"],
            "data": self._made(profile),
            "vocabulary": self._request["vocabulary"],
            "training": training,
            "resume": None,
            "overwrite": True,
        }

    def _published_training(self, profile: str) -> Side:
        dataset = open_split(self._made(profile), "val", self._request["vocabulary"])
        model = build_model(self._config, self._request["weights"], seed=0)
        training = PublishedTraining(model, self._published(profile, dataset))
        rows = range(self._request["trainBatchSize"])

        def work() -> int:
            training.step(rows)
            return len(rows)

        return Side(BASELINE, "published", work)

    def _data(self) -> Events:
        for images in DATA_IMAGES:
            made = MadeData(
                PROFILES["sparse"],
                images,
                DATA_EXPRESSIONS,
                self._config.v_feature_size,
                is_hollow=True,
            )
            data = make_data(self._folder / f"data-{images}", made)
            dataset = open_split(data, "val", self._request["vocabulary"])
            # The same ones in every round: what is measured is an item whose pages are in memory, not the disk.
            picked = np.random.Generator(np.random.Philox(0)).integers(0, len(dataset), DATA_ITEMS).tolist()
            sides = [Side("fp32", "packed", lambda d=dataset, r=picked: _assemble(d, r))]
            if self._request["withBaseline"]:
                published = PublishedData(dataset, _store(data), images)
                sides.append(
                    Side(BASELINE, "published", lambda p=published, r=picked: _assemble_published(p, r))
                )
            yield from self._alternate(
                "data", f"{images} images", sides, "ms/item", 4 * self._request["rounds"]
            )

    def _memory(self) -> Events:
        """Peak resident memory of two training steps, each side in a process of its own."""
        precisions, profiles = training_precisions(), self._request["profiles"]
        jobs = [
            (profile, precision, batch_size, recomputes)
            for profile, batch_size in [*((each, MEMORY_BATCH) for each in profiles), LARGE_MEMORY]
            for recomputes in (False, True)
            for precision in precisions
        ]
        if self._request["withBaseline"]:
            jobs.insert(0, (profiles[0], BASELINE, MEMORY_BATCH, False))
        baseline: float | None = None
        for done, (profile, side, batch_size, recomputes) in enumerate(jobs, 1):
            precision = "fp32" if side == BASELINE else side
            training = self._training_request(profile, precision, batch_size, recompute=recomputes)
            peak = peak_memory_mib({"side": side, "training": training})
            if side == BASELINE:
                baseline = peak  # it pads to the same size whatever it is given
            is_comparable = batch_size == MEMORY_BATCH and not recomputes
            name = f"{'any' if side == BASELINE else profile}, batch {batch_size}"
            if recomputes:
                name += ", recompute"
            self._note("memory", name, side, "", "MiB", [peak], baseline if is_comparable else None)
            yield {"type": "round", "what": f"memory {profile}", "done": done, "total": len(jobs)}

    def _alternate(
        self, section: str, profile: str, sides: list[Side], unit: str, rounds: int | None = None
    ) -> Events:
        """Rounds in which each side has a turn, in changing order; the first round only warms up."""
        rounds = rounds or int(self._request["rounds"])
        times: dict[str, list[float]] = {side.name: [] for side in sides}
        for number in range(rounds + 1):
            for side in sides if number % 2 else sides[::-1]:
                started = time.perf_counter()
                items = side.work()
                if number > 0:
                    times[side.name].append(1000 * (time.perf_counter() - started) / items)
            yield {"type": "round", "what": f"{section} {profile}", "done": number, "total": rounds}
        baseline = float(np.median(times[BASELINE])) if BASELINE in times else None
        for side in sides:
            self._note(section, profile, side.name, side.engine, unit, times[side.name], baseline)

    def _note(
        self,
        section: str,
        profile: str,
        side: str,
        engine: str,
        unit: str,
        values: list[float],
        baseline: float | None,
    ) -> None:
        median = float(np.median(values))
        self.measurements.append(
            {
                "section": section,
                "profile": profile,
                "side": side,
                "engine": engine,
                "unit": unit,
                "median": median,
                "least": min(values),
                "most": max(values),
                "timesBaseline": None if baseline is None else baseline / median,
            }
        )

    def _made(self, profile: str) -> dict[str, Any]:
        if profile not in self._data_of:
            made = MadeData(PROFILES[profile], IMAGES, EXPRESSIONS, self._config.v_feature_size)
            self._data_of[profile] = make_data(self._folder / profile, made)
        return self._data_of[profile]

    def _published(self, profile: str, dataset: ReferringDataset) -> PublishedData:
        return PublishedData(dataset, _store(self._made(profile)), IMAGES)


def _store(data: dict[str, Any]) -> Any:
    return open_regions(data["detectedFile"], data["detectedSource"])


def _scoring(scorer: Scorer, dataset: ReferringDataset, batch_size: int) -> Side:
    """Two batches of similar length, as an evaluation forms them."""
    rows = range(2 * batch_size)
    counts = [(dataset.region_count(row), len(dataset.expressions[row].token_ids)) for row in rows]
    batches = list(in_order(sorted(rows, key=lambda row: counts[row], reverse=True), batch_size))

    def work() -> int:
        return sum(len(scorer.logits(dataset, batch)) for batch in batches)

    return Side(scorer.precision, scorer.engine, work)


def chosen_regions(scorer: Scorer, dataset: ReferringDataset, batch_size: int) -> np.ndarray:
    """The region of the highest logit for each expression; (N,)."""
    chosen = np.zeros(len(dataset), np.int64)
    for rows in scorer.batches(dataset, batch_size):
        chosen[rows] = [logits.argmax() for logits in scorer.logits(dataset, rows)]
    return chosen


def _assemble(dataset: ReferringDataset, picked: list[int]) -> int:
    return sum(len(dataset.packed(rows).rows) for rows in in_order(picked, DATA_BATCH))


def _assemble_published(data: PublishedData, picked: list[int]) -> int:
    return len([data.item(data.expressions[row]) for row in picked])


def training_precisions() -> list[str]:
    """Those that training can compute in here."""
    return ["fp32", "bf16"] if kernels.has_bfloat16() else ["fp32"]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": compute_threads(),
        "loadAverage": os.getloadavg()[0],
        "device": paddle.device.get_device(),
        "versions": producer(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def peak_memory_mib(job: dict[str, Any]) -> float:
    """Peak resident memory of `job` in a process of its own."""
    with own_process("vilbert.bench_memory", job) as process:
        assert process.stdout is not None, "it is piped"
        answer = process.stdout.read()
        if process.wait() != 0:
            raise RuntimeError(f"The process whose memory is measured ended with {process.returncode}.")
    return json.loads(answer)["peakMiB"]
