"""Activations that Paddle's own operators compute twice, against those that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle.nn.functional as F
import pytest
from conftest import Golden
from paddle import Tensor
from vilbert import kernels, rows
from vilbert.optim import Rates
from vilbert.train import TrainingRun
from vilbert.views import numbers_of

FREEZES = [[], ["bert.embeddings.*", "bert.v_embeddings.*", "bert.encoder.layer.0.*", "*.bias"]]
Numbers = dict[str, np.ndarray]


def take_steps(golden: Golden, folder: Path, **training: Any) -> tuple[list[float], Numbers]:
    """Losses of some steps of two groups each, with dropout, and all weights and moments after them."""
    settings = {"outputDir": str(folder), "epochs": 1, "batchSize": 8, "lr": 1e-3, "headLr": 1e-3}
    run = TrainingRun(golden.request(training={**settings, **training}, resume=None), writes=False)
    losses = []
    for step in range(3):
        run.optimizer.begin(Rates(body=1e-3, head=2e-3))
        groups = [run.learner.assemble(run.examples, rows) for rows in (range(3), range(3, 8))]
        losses.append(run.learner.learn(groups, 8, seed=step))
        run.optimizer.finish()
    values = {name: numbers_of(p).copy() for name, p in run.model.named_parameters() if p._is_initialized()}
    return losses, {**values, **{name: array.copy() for name, array in run.optimizer.arrays()}}


@pytest.mark.parametrize("freeze", FREEZES, ids=["all", "frozen"])
def test_what_is_computed_twice_ends_bit_equal(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freeze: list[str]
) -> None:
    monkeypatch.setattr(kernels, "are_available", lambda: False)
    calls: list[None] = []

    def counted(x: Tensor) -> Tensor:
        calls.append(None)
        return F.gelu(x)

    monkeypatch.setitem(rows.ACTIVATIONS, "gelu", counted)
    kept = take_steps(golden, tmp_path, freeze=freeze)
    once = len(calls)
    twice = take_steps(golden, tmp_path, freeze=freeze, recompute=True)
    assert len(calls) - once > 1.5 * once, "layers are computed again"
    assert twice[0] == kept[0]
    assert twice[1].keys() == kept[1].keys()
    for name, numbers in kept[1].items():
        np.testing.assert_array_equal(twice[1][name], numbers, err_msg=name)
