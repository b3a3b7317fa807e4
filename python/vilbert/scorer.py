"""What gives regions their logits: the stock operators, or a faster engine that gives the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import paddle

from vilbert import kernels
from vilbert.batches import Batch, PackedBatch
from vilbert.config import ModelConfig
from vilbert.dataset import ReferringDataset, by_image, by_length
from vilbert.engine import computed_precision, fastest_dynamic
from vilbert.exported_scorer import ExportedScorer
from vilbert.model import Vilbert
from vilbert.packed import LoweredWeights, Pass
from vilbert.precision import Precision
from vilbert.session import open_model, to_inputs, to_packed_inputs


class Scorer(Protocol):
    """Scores in two steps, so that a thread can assemble the next batch while this one is computed."""

    engine: str  # which code computes, as the results say it
    precision: str  # "fp32" or "bf16"
    config: ModelConfig

    def batches(self, dataset: ReferringDataset, batch_size: int) -> list[list[int]]:
        """All rows of a split, in the batches that cost this engine least."""
        ...

    def assemble(self, dataset: ReferringDataset, rows: Sequence[int]) -> Any:
        """Numbers of a batch as this engine wants them: numpy alone, nothing of Paddle, so from any thread."""
        ...

    def score(self, assembled: Any) -> list[np.ndarray]:
        """Logits of each example's real regions, (regions,) float32, in the order of the rows."""
        ...

    def logits(self, dataset: ReferringDataset, rows: Sequence[int]) -> list[np.ndarray]:
        """Both steps at once."""
        ...


class StockScorer:
    """The model as it is, on Paddle's own operators; on GPUs its products of matrices may be in bf16."""

    engine = "stock"

    def __init__(self, model: Vilbert, precision: str = "fp32") -> None:
        self._model = model
        self._amp = Precision("O1" if precision == "bf16" else None, "bfloat16")
        self.precision = precision
        self.config = model.config

    def batches(self, dataset: ReferringDataset, batch_size: int) -> list[list[int]]:
        """Those with the least padding."""
        return by_length(dataset, batch_size)

    def assemble(self, dataset: ReferringDataset, rows: Sequence[int]) -> Batch:
        """A batch padded to its longest example."""
        return dataset.batch(rows)

    def score(self, assembled: Batch) -> list[np.ndarray]:
        """Logits of the real regions."""
        with paddle.no_grad(), self._amp.forward():
            padded = self._model.region_logits(to_inputs(assembled)).astype("float32").numpy()  # (B, R)
        return [logits[:count].copy() for logits, count in zip(padded, assembled.region_counts)]

    def logits(self, dataset: ReferringDataset, rows: Sequence[int]) -> list[np.ndarray]:
        """Both steps at once."""
        return self.score(self.assemble(dataset, rows))


class KernelScorer:
    """The model over packed rows, on the kernels of this program."""

    engine = "kernels"

    def __init__(self, model: Vilbert, precision: str) -> None:
        self._model = model
        self._lowered = LoweredWeights() if precision == "bf16" else None
        self.precision = precision
        self.config = model.config

    def batches(self, dataset: ReferringDataset, batch_size: int) -> list[list[int]]:
        """Those with the fewest images, because some work is done once an image."""
        return by_image(dataset, batch_size)

    def assemble(self, dataset: ReferringDataset, rows: Sequence[int]) -> PackedBatch:
        """A batch without padding, with each image once."""
        return dataset.packed(rows, shares_images=True)

    def score(self, assembled: PackedBatch) -> list[np.ndarray]:
        """Logits of the real regions."""
        shared = Pass(is_training=False, lowered=self._lowered)
        with paddle.no_grad(), kernels.together():
            logits = self._model.region_logits(to_packed_inputs(assembled, shared)).numpy()  # (R,)
        offsets = assembled.region_offsets
        return [logits[start:stop].copy() for start, stop in zip(offsets[:-1], offsets[1:])]

    def logits(self, dataset: ReferringDataset, rows: Sequence[int]) -> list[np.ndarray]:
        """Both steps at once."""
        return self.score(self.assemble(dataset, rows))


def open_scorer(request: dict[str, Any]) -> Scorer:
    """The scorer of a request's `config` and `weights`, by the `engine` that `vilbert.engine` chose for it.

    Where nothing was chosen it is the fastest one that needs no export, in the request's `precision`.
    """
    engine, precision = request.get("engine", "auto"), request.get("precision", "fp32")
    if engine == "exported":
        config = ModelConfig.from_json(request["config"])
        return ExportedScorer(Path(request["engineFolder"]), config, precision)
    return scorer_of(open_model(request["config"], request["weights"]), precision, engine)


def scorer_of(model: Vilbert, precision: str = "fp32", engine: str = "auto") -> Scorer:
    """A scorer of a model in memory, on the kernels or the stock operators; `auto` takes what is fastest, of both.

    Raises a MachineError for a precision that this machine cannot compute in.
    """
    engine = fastest_dynamic() if engine == "auto" else engine
    precision = computed_precision(engine, precision)
    return KernelScorer(model, precision) if engine == "kernels" else StockScorer(model, precision)
