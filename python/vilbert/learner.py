"""What makes the gradients of a step: Paddle's own operators over padded rows, or the kernels over packed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any, Protocol

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from vilbert import kernels
from vilbert.batches import Batch, PackedBatch
from vilbert.dataset import ReferringDataset, groups_of_similar_length
from vilbert.errors import ConfigError, MachineError
from vilbert.evaluate import cross_entropy, cross_entropy_gradient
from vilbert.matrix import Matrix
from vilbert.model import Vilbert
from vilbert.optim import FusedOptimizer, Optimizer, OptimizerSettings, StockOptimizer
from vilbert.packed import LoweredWeights, Pass
from vilbert.precision import Precision
from vilbert.scorer import KernelScorer, Scorer, StockScorer
from vilbert.session import to_inputs, to_packed_inputs
from vilbert.tape import GradientsAtOnce, SummedGradients
from vilbert.training_spec import TrainingSpec

# Regions that go through the model at once: enough for products at full speed, and what is kept of them for the
# backward pass (about 0.6 MB a region of the full model) stays below a few gigabytes.
MAX_PACKED_REGIONS = 2048


class Learner(Protocol):
    """A step's rows are cut into groups, whose gradients add up; threads assemble the groups ahead."""

    engine: str  # which code computes
    precision: str  # "fp32", "bf16", or the level and format of --amp

    def groups(self, rows: Sequence[int], region_counts: Sequence[int]) -> list[list[int]]:
        """Cuts rows into what goes through the model at once."""
        ...

    def assemble(self, dataset: ReferringDataset, rows: Sequence[int]) -> Any:
        """Numbers of a group as this engine wants them: numpy alone, so from any thread."""
        ...

    def learn(
        self, groups: Iterable[Any], step_size: int, seed: int, on_change: Callable[[], None] | None = None
    ) -> float:
        """Adds the gradients of all assembled groups to the parameters'; returns their part of the mean loss.

        The mean is over `step_size` examples; dropout depends on `seed` alone. With `on_change`, these are all groups
        of the step, which its optimizer has begun: weights may change here already. It is called before they do; they
        do not when the loss is no number.
        """
        ...

    def optimizer(self, named: Sequence[tuple[str, Tensor]], settings: OptimizerSettings) -> Optimizer:
        """The optimizer that goes with it."""
        ...

    def scorer(self) -> Scorer:
        """What judges the model between epochs, in fp32: the accuracy is that of a later `eval`."""
        ...


class StockLearner:
    """The model on Paddle's operators, on any device; on GPUs in mixed precision if wanted."""

    engine = "stock"

    def __init__(self, model: Vilbert, amp: Precision, *, recomputes: bool) -> None:
        self._model = model
        self._amp = amp
        self._recomputes = recomputes
        self.precision = amp.name

    def groups(self, rows: Sequence[int], region_counts: Sequence[int]) -> list[list[int]]:
        """Groups of similar length, to have little padding."""
        return groups_of_similar_length(rows, region_counts)

    def assemble(self, dataset: ReferringDataset, rows: Sequence[int]) -> Batch:
        """A batch padded to its longest example."""
        return dataset.batch(rows)

    def learn(
        self, groups: Iterable[Batch], step_size: int, seed: int, on_change: Callable[[], None] | None = None
    ) -> float:
        """Forward and backward pass of each group."""
        paddle.seed(seed)
        self._model.train()
        total = 0.0
        for batch in groups:
            with self._amp.forward():
                inputs = to_inputs(batch, recomputes=self._recomputes)
                logits = self._model.region_logits(inputs)  # (B, R)
                loss = summed_loss(logits, paddle.to_tensor(batch.targets)) / step_size
            self._amp.backward(loss)
            total += float(loss)
        self._amp.unscale(self._model.parameters())
        return total

    def optimizer(self, named: Sequence[tuple[str, Tensor]], settings: OptimizerSettings) -> Optimizer:
        """Paddle's AdamW."""
        return StockOptimizer(named, settings)

    def scorer(self) -> Scorer:
        """The model on Paddle's operators."""
        self._model.eval()
        return StockScorer(self._model)


class KernelLearner:
    """The model over packed rows on the kernels, products in fp32 or in bf16."""

    engine = "kernels"

    def __init__(self, model: Vilbert, precision: str, *, recomputes: bool) -> None:
        self._model = model
        self.precision = precision
        self._recomputes = recomputes
        self._lowered = LoweredWeights(are_kept=not recomputes) if precision == "bf16" else None
        self._at_once: GradientsAtOnce | None = None

    def groups(self, rows: Sequence[int], region_counts: Sequence[int]) -> list[list[int]]:
        """The rows in their order, so many at once as memory allows: packed, length does not matter."""
        groups: list[list[int]] = []
        room = 0
        for row, count in zip(rows, region_counts):
            if count > room:
                groups.append([])
                room = MAX_PACKED_REGIONS
            groups[-1].append(row)
            room -= count
        return groups

    def assemble(self, dataset: ReferringDataset, rows: Sequence[int]) -> PackedBatch:
        """A batch without padding."""
        return dataset.packed(rows)

    @kernels.together()
    def learn(
        self,
        groups: Iterable[PackedBatch],
        step_size: int,
        seed: int,
        on_change: Callable[[], None] | None = None,
    ) -> float:
        """Forward and backward pass of each group; its dropouts go on counting where those before ended.

        The gradients of a step's only group are whole as soon as they are there, and go into the weights at once.
        """
        if not self._model.training:
            self._model.train()
        total, stream, batches = 0.0, 0, iter(groups)
        first = list(islice(batches, 2))
        at_once = self._at_once if on_change is not None and len(first) == 1 else None
        gradients = at_once or SummedGradients()
        for batch in chain(first, batches):
            shared = Pass(
                is_training=True,
                lowered=self._lowered,
                seed=seed,
                first_stream=stream,
                gradients=gradients,
                recomputes=self._recomputes,
            )
            logits = self._model.region_logits(to_packed_inputs(batch, shared))  # (R,)
            stream = shared.next_stream
            assert isinstance(logits, Matrix), "packed rows are matrices"
            scores, count = logits.numpy(), len(batch.targets)
            total += cross_entropy(scores[:count], batch.targets) / step_size
            if not math.isfinite(total):
                return total
            if at_once is not None and on_change is not None:
                on_change()
            assert shared.tape is not None, "the pass has gradients"
            gradient = np.zeros(len(scores), np.float32)  # those behind the targets are of no region
            gradient[:count] = cross_entropy_gradient(scores[:count], batch.targets) / step_size
            shared.tape.backward(logits, Matrix.over(gradient))
        gradients.finish()
        return total

    def optimizer(self, named: Sequence[tuple[str, Tensor]], settings: OptimizerSettings) -> Optimizer:
        """AdamW in one pass over memory; what `learn` changes already, it changes by this one."""
        optimizer = FusedOptimizer(named, settings, lowered=self._lowered)
        self._at_once = GradientsAtOnce(optimizer)
        return optimizer

    def scorer(self) -> Scorer:
        """The model over packed rows."""
        self._model.eval()
        return KernelScorer(self._model, "fp32")


def learner_of(model: Vilbert, spec: TrainingSpec) -> Learner:
    """The fastest learner of the run's precision on this device.

    Raises a ConfigError for options that exclude each other, a MachineError for what this machine does not have.
    """
    amp = Precision(spec.amp, spec.dtype)
    if spec.amp is not None and spec.precision == "bf16":
        raise ConfigError(
            "--precision bf16 and --amp exclude each other: the one is for CPUs, the other for GPUs.",
            "Leave one of them out.",
        )
    fits = paddle.device.get_device() == "cpu" and kernels.are_available()
    if spec.precision == "bf16" and not (fits and kernels.has_bfloat16()):
        raise MachineError(
            "--precision bf16 needs a processor with AMX or AVX512-BF16, and the kernels that vilbert-ts setup "
            "builds; on GPUs it is --amp O1.",
            "Use --precision fp32, or auto for the fastest; vilbert-ts doctor says what is missing.",
        )
    if not fits:
        return StockLearner(model, amp, recomputes=spec.recompute)
    is_bfloat16 = spec.precision == "bf16" or (spec.precision == "auto" and kernels.has_bfloat16())
    return KernelLearner(model, "bf16" if is_bfloat16 else "fp32", recomputes=spec.recompute)


def summed_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum of the binary cross entropies of all regions.

    Divided by the size of the batch it is the published loss, 100 times the mean over [batch, 100]: padded regions
    add exactly nothing to that.
    """
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
