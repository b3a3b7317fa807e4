"""Accuracy on a split: does the region of the highest logit overlap the box that is meant?"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from vilbert.ablations import ablated
from vilbert.ahead import ahead
from vilbert.batches import MAX_REGIONS
from vilbert.checkpoint import save_rows
from vilbert.dataset import ReferringDataset, ids_in_data, open_split, open_tokenizer
from vilbert.engine import chosen_engine
from vilbert.errors import DataError
from vilbert.parallel import ALONE, Processes, processes
from vilbert.scorer import Scorer, open_scorer
from vilbert.session import check_data_fit, use_device

MIN_OVERLAP = 0.5  # a chosen region counts as right above this
PROGRESS_SECONDS = 0.25


@dataclass(frozen=True)
class Judgement:
    """What the model said to one expression."""

    region: int
    overlap: float  # IoU of the chosen region with the box that is meant
    loss: float  # sum of the regions' binary cross entropies
    logits: np.ndarray  # (real regions,) float32


def evaluate(request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Evaluates `weights` on `split` of `data`; yields progress, returns the figures.

    Request: that of `vilbert.engine:choose_engine`, `data`, `vocabulary`, `split`, `batchSize`, and optionally
    `resultsFile` with `includeLogits`, `exclude` ({"by": "sent" or "ref", "ids"}), and `ablate` with
    `ablateSeed` to see what the model relies on.
    """
    started = time.perf_counter()
    use_device(request.get("device"))
    dataset = open_split(request["data"], request["split"], request["vocabulary"])
    dataset, excluded = without(dataset, request["data"]["expressionsFile"], request.get("exclude"))
    if request.get("ablate"):
        tokenizer = open_tokenizer(request["vocabulary"])
        dataset = ablated(dataset, request["ablate"], request.get("ablateSeed", 0), tokenizer)
    chosen = yield from chosen_engine(request, len(dataset), may_export=True)
    scorer = open_scorer({**request, **chosen})
    check_data_fit(scorer.config, dataset)
    ready = time.perf_counter()
    judgements = yield from judge(scorer, dataset, request["batchSize"], processes())
    seconds = time.perf_counter() - ready
    if request.get("resultsFile") and processes().is_first:
        save_rows(
            request["resultsFile"], result_rows(dataset, judgements, request.get("includeLogits", False))
        )
    correct = sum(judgement.overlap > MIN_OVERLAP for judgement in judgements)
    return {
        "accuracy": correct / len(judgements),
        "correct": correct,
        "total": len(judgements),
        "split": request["split"],
        "precision": scorer.precision,
        "engine": scorer.engine,
        "engineNote": chosen["engineNote"],
        "ablate": request.get("ablate"),
        "excluded": excluded,
        "meanBatchLoss": mean_batch_loss(judgements, request["batchSize"]),
        "secondsTotal": time.perf_counter() - started,
        "secondsCompute": seconds,
        "expressionsPerSecond": len(judgements) / seconds,
    }


def without(
    dataset: ReferringDataset, expressions_file: str, exclude: dict[str, Any] | None
) -> tuple[ReferringDataset, dict[str, Any] | None]:
    """Leaves out the expressions with the ids of `exclude`; tells how many, and the ids that the data do not have."""
    if exclude is None:
        return dataset, None
    by, ids = exclude["by"], set(exclude["ids"])
    unknown = ids - ids_in_data(expressions_file, by)
    kept = [
        expression
        for expression in dataset.expressions
        if (expression.ref_id if by == "ref" else expression.sent_id) not in ids
    ]
    if not kept:
        raise DataError(
            f"The excluded ids leave no expression of split '{dataset.split}'.", "Exclude fewer of them."
        )
    excluded = len(dataset) - len(kept)
    return dataset.with_expressions(kept), {"by": by, "expressions": excluded, "unknownIds": sorted(unknown)}


def judge(
    scorer: Scorer, dataset: ReferringDataset, batch_size: int, together: Processes = ALONE
) -> Generator[dict[str, Any], None, list[Judgement]]:
    """Scores a split in batches of similar length; answers are in data order.

    The last progress tells that all is done. Several processes deal the batches out among them, so each number is the
    one that a single process gets. They yield in step: after each of their turns.
    """
    judgements: dict[int, Judgement] = {}
    reported = time.perf_counter()
    batches = scorer.batches(dataset, batch_size)
    own = batches[together.rank :: together.count]
    with closing(ahead(own, partial(scorer.assemble, dataset), workers=1)) as assembled:
        judged = (_judge_batch(scorer, dataset, *each) for each in zip(own, assembled))
        for first in range(0, len(batches), together.count):
            judgements.update(next(judged, {}))  # in the last turn some processes have none
            is_last = first + together.count >= len(batches)
            if together.count > 1 or is_last or time.perf_counter() - reported > PROGRESS_SECONDS:
                reported = time.perf_counter()
                done = sum(len(rows) for rows in batches[: first + together.count])
                yield {"type": "progress", "done": done, "total": len(dataset)}
    return _gather(judgements, dataset, together)


def _gather(
    judgements: dict[int, Judgement], dataset: ReferringDataset, together: Processes
) -> list[Judgement]:
    if together.count == 1:
        return [judgements[row] for row in range(len(dataset))]
    figures = np.zeros((len(dataset), 3), np.float64)
    logits = np.zeros((len(dataset), MAX_REGIONS), np.float32)
    for row, own in judgements.items():
        figures[row] = (own.region, own.overlap, own.loss)
        logits[row, : len(own.logits)] = own.logits
    figures, logits = together.sum_arrays(figures), together.sum_arrays(logits)
    return [
        Judgement(int(region), overlap, loss, logits[row, : dataset.region_count(row)])
        for row, (region, overlap, loss) in enumerate(figures.tolist())
    ]


def _judge_batch(
    scorer: Scorer, dataset: ReferringDataset, rows: list[int], assembled: Any
) -> dict[int, Judgement]:
    judged: dict[int, Judgement] = {}
    for row, logits, targets in zip(rows, scorer.score(assembled), dataset.targets(rows)):
        region = int(logits.argmax())
        judged[row] = Judgement(region, float(targets[region]), cross_entropy(logits, targets), logits)
    return judged


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Sum over the regions of the binary cross entropy with logits, in its stable form."""
    x = logits.astype(np.float64)
    return float((np.maximum(x, 0) - x * targets + np.log1p(np.exp(-np.abs(x)))).sum())


def cross_entropy_gradient(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The gradient of that sum for the logits: how far their sigmoids are from the targets."""
    x = logits.astype(np.float64)
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, decay) / (1 + decay) - targets


def mean_batch_loss(judgements: list[Judgement], batch_size: int) -> float:
    """The published figure: mean over batches in data order of the batch loss.

    A batch's loss is 100 times the mean over [batch, 100]; padding adds nothing, so it is the mean of the sums.
    """
    losses = np.array([judgement.loss for judgement in judgements])
    return float(
        np.mean([losses[start : start + batch_size].mean() for start in range(0, len(losses), batch_size)])
    )


def result_rows(
    dataset: ReferringDataset, judgements: list[Judgement], include_logits: bool
) -> list[dict[str, Any]]:
    """The result file: a row for each sentence, in data order."""
    rows: list[dict[str, Any]] = []
    for expression, judgement in zip(dataset.expressions, judgements):
        row: dict[str, Any] = {
            "id": expression.image_id,
            "target": judgement.region,
            "IOU": judgement.overlap,
        }
        if include_logits:
            row |= {
                "sent_id": expression.sent_id,
                "ref_id": expression.ref_id,
                "logits": [float(logit) for logit in judgement.logits],
            }
        rows.append(row)
    return rows
