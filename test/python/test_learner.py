"""Gradients that go into the weights in the middle of the backward pass, against those that wait for its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from conftest import Golden
from paddle import Tensor
from vilbert import kernels
from vilbert.optim import FusedOptimizer, Rates
from vilbert.train import TrainingRun
from vilbert.views import numbers_of

pytestmark = pytest.mark.skipif(not kernels.are_available(), reason="the kernels are not built")

PRECISIONS = ["fp32", *(["bf16"] if kernels.has_bfloat16() else [])]
ROWS = list(range(8))
Numbers = dict[str, np.ndarray]


def make_run(golden: Golden, folder: Path, precision: str, **training: Any) -> TrainingRun:
    settings = {"outputDir": str(folder), "epochs": 1, "batchSize": 8, "lr": 1e-3, "headLr": 1e-3}
    settings.update(precision=precision, **training)
    return TrainingRun(golden.request(training=settings, resume=None), writes=False)


def tensors(run: TrainingRun) -> dict[str, Tensor]:
    """The parameters, without those that never reach the region logits: these are out of memory."""
    return {name: each for name, each in run.model.named_parameters() if each._is_initialized()}


def copies(run: TrainingRun) -> Numbers:
    return {name: numbers_of(parameter).copy() for name, parameter in tensors(run).items()}


def take_steps(
    run: TrainingRun, on_change: Callable[[], None] | None, count: int = 3
) -> tuple[list[float], Numbers]:
    """Losses of some steps, and all weights and moments after them."""
    losses = []
    for step in range(count):
        run.optimizer.begin(Rates(body=1e-3, head=2e-3))
        losses.append(
            run.learner.learn([run.learner.assemble(run.examples, ROWS)], len(ROWS), step, on_change)
        )
        run.optimizer.finish()
    return losses, {**copies(run), **{name: array.copy() for name, array in run.optimizer.arrays()}}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("freeze", [[], ["*.weight"], ["*.bias"], ["bert.embeddings.word_embeddings.weight"]])
def test_weights_that_change_at_once_end_bit_equal(
    golden: Golden, tmp_path: Path, precision: str, freeze: list[str]
) -> None:
    changes: list[None] = []
    at_once = take_steps(make_run(golden, tmp_path, precision, freeze=freeze), lambda: changes.append(None))
    waiting = take_steps(make_run(golden, tmp_path, precision, freeze=freeze), None)
    assert len(changes) == 3
    assert at_once[0] == waiting[0]
    assert at_once[1].keys() == waiting[1].keys()
    for name, numbers in waiting[1].items():
        np.testing.assert_array_equal(at_once[1][name], numbers, err_msg=name)


def test_what_changes_at_once_leaves_no_gradient_in_memory(golden: Golden, tmp_path: Path) -> None:
    run = make_run(golden, tmp_path, "fp32")
    run.optimizer.begin(Rates(1e-3, 1e-3))
    run.learner.learn([run.learner.assemble(run.examples, ROWS)], len(ROWS), 0, lambda: None)
    assert not [name for name, parameter in tensors(run).items() if parameter.grad is not None]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("on_change", [None, lambda: None], ids=["waiting", "at once"])
@pytest.mark.parametrize("freeze", [[], ["bert.v_embeddings.*", "bert.encoder.v_layer.0.*"]])
def test_what_is_computed_twice_ends_bit_equal(
    golden: Golden, tmp_path: Path, precision: str, on_change: Callable[[], None] | None, freeze: list[str]
) -> None:
    kept = take_steps(make_run(golden, tmp_path, precision, freeze=freeze), on_change)
    twice = take_steps(make_run(golden, tmp_path, precision, freeze=freeze, recompute=True), on_change)
    assert twice[0] == kept[0]
    for name, numbers in kept[1].items():
        np.testing.assert_array_equal(twice[1][name], numbers, err_msg=name)


@pytest.mark.parametrize("recipe", ["seed", "corrected"])
def test_rows_of_words_that_come_and_go_end_bit_equal(golden: Golden, tmp_path: Path, recipe: str) -> None:
    """Rows without a gradient have moments to go on with, or none; a table that decays changes as a whole."""
    found = []
    for places in ((), (0, 1, 2, 3), (0, 2, 3)):  # steps whose gradients are used at once
        run = make_run(golden, tmp_path, "fp32", recipe=recipe)
        for step in range(4):
            run.optimizer.begin(Rates(body=1e-3, head=2e-3))
            batch = run.learner.assemble(run.examples, range(3 * step, 3 * step + 3))
            run.learner.learn([batch], 3, step, (lambda: None) if step in places else None)
            run.optimizer.finish()
        found.append({**copies(run), **{name: array.copy() for name, array in run.optimizer.arrays()}})
    for other in found[1:]:
        for name, numbers in found[0].items():
            np.testing.assert_array_equal(other[name], numbers, err_msg=name)


def test_several_groups_wait_for_the_sum_of_their_gradients(golden: Golden, tmp_path: Path) -> None:
    changes: list[None] = []
    run, other = (make_run(golden, tmp_path, "fp32", dropout=0.0) for _ in range(2))
    halves = [run.learner.assemble(run.examples, rows) for rows in (ROWS[:4], ROWS[4:])]
    run.optimizer.begin(Rates(1e-3, 1e-3))
    loss = run.learner.learn(halves, len(ROWS), 0, lambda: changes.append(None))
    run.optimizer.finish()
    assert changes == []
    losses, whole = take_steps(other, None, count=1)
    assert loss == pytest.approx(losses[0], rel=1e-6)
    moments = [(name, moment) for name, moment in run.optimizer.arrays() if name.endswith("/moment1_0")]
    assert moments
    for name, moment in moments:  # a tenth of the gradient
        np.testing.assert_allclose(moment, whole[name], atol=1e-6, err_msg=name)


def test_a_loss_that_is_no_number_changes_nothing(golden: Golden, tmp_path: Path) -> None:
    run = make_run(golden, tmp_path, "fp32")
    tensors(run)["vision_logit.bias"].set_value(np.array([np.nan], np.float32))
    before = copies(run)
    run.optimizer.begin(Rates(1e-3, 1e-3))
    batch = run.learner.assemble(run.examples, ROWS)
    loss = run.learner.learn([batch], len(ROWS), 0, lambda: pytest.fail("nothing may change"))
    assert np.isnan(loss)
    for name, numbers in copies(run).items():
        np.testing.assert_array_equal(numbers, before[name], err_msg=name)


def test_a_weight_changes_once_in_a_step(golden: Golden, tmp_path: Path) -> None:
    run = make_run(golden, tmp_path, "fp32")
    weight = tensors(run)["vision_logit.weight"]
    assert isinstance(run.optimizer, FusedOptimizer)
    run.optimizer.begin(Rates(1e-3, 1e-3))
    run.optimizer.take([(weight, paddle.ones_like(weight))])
    with pytest.raises(AssertionError, match=r"vision_logit\.weight was changed in this step already"):
        run.optimizer.take([(weight, paddle.ones_like(weight))])
