"""Training on the golden data root: accumulation, freezing, averaging, early ends, divergence, seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Golden, finish
from vilbert.errors import ConfigError, DivergedError
from vilbert.event_files import EventFiles
from vilbert.run_folder import RunFolder, read_state
from vilbert.tensors import TensorFile
from vilbert.train import train


def request(golden: Golden, folder: Path, **training: Any) -> dict[str, Any]:
    settings = {
        "outputDir": str(folder),
        "epochs": 1,
        "batchSize": 8,
        "lr": 4e-5,
        "headLr": 1e-4,
        "dropout": 0.0,
    }
    return golden.request(training={**settings, **training}, resume=None)


def weights(folder: Path, name: str = "weights") -> dict[str, np.ndarray]:
    state = RunFolder(str(folder), keep=1).load("last")
    index = state.weights if name == "weights" else state.averages
    assert index is not None
    file = TensorFile(index)
    return {key: file[key].copy() for key in file}


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["type"] == "step"]


def largest_difference(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(some[name] - others[name]).max(initial=0)) for name in some)


def test_four_parts_of_eight_equal_a_batch_of_32(golden: Golden, tmp_path: Path) -> None:
    finish(train(request(golden, tmp_path / "whole", batchSize=32, epochs=3)))
    finish(train(request(golden, tmp_path / "parts", batchSize=32, epochs=3, gradAccumulation=4)))
    np.testing.assert_allclose(losses(tmp_path / "parts"), losses(tmp_path / "whole"), rtol=1e-5)
    assert largest_difference(weights(tmp_path / "whole"), weights(tmp_path / "parts")) < 1e-5


def test_frozen_tensors_stay_bit_equal_and_others_move(golden: Golden, tmp_path: Path) -> None:
    finish(train(request(golden, tmp_path, freeze=["bert.encoder.layer.*", "*LayerNorm*"])))
    before, after = TensorFile(golden.weights), weights(tmp_path)
    for name in before:
        if name.startswith("bert.encoder.layer.") or "LayerNorm" in name:
            np.testing.assert_array_equal(after[name], before[name].reshape(after[name].shape), err_msg=name)
    assert np.abs(after["vision_logit.weight"] - before["vision_logit.weight"]).max() > 1e-5


def test_a_pattern_that_freezes_nothing_is_a_mistake(golden: Golden, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bert\.encodr\.\* matches no parameter"):
        finish(train(request(golden, tmp_path, freeze=["bert.encodr.*"])))


def test_the_average_is_that_of_a_recalculation(golden: Golden, tmp_path: Path) -> None:
    name, decay = "vision_logit.weight", 0.8
    finish(train(request(golden, tmp_path, ema=decay, keep=100, saveEverySteps=1)))
    states = [read_state(folder) for folder in sorted((tmp_path / "states").glob("step-*"))]
    expected = TensorFile(golden.weights)[name].astype(np.float64)
    seen = 0
    for state in states:
        if state.state["step"] == seen:  # saved again after the validation
            continue
        seen = state.state["step"]
        expected = decay * expected + (1 - decay) * TensorFile(state.weights)[name]
        assert state.averages is not None
        np.testing.assert_allclose(TensorFile(state.averages)[name], expected, atol=1e-7)
    assert seen == 8
    last, best = (json.loads((tmp_path / f"{file}.json").read_text()) for file in ("last", "best"))
    assert last["file"] == "last.pdparams"
    assert best["config"] == golden.config


def test_patience_ends_a_run_that_gets_no_better(golden: Golden, tmp_path: Path) -> None:
    _, result = finish(train(request(golden, tmp_path, epochs=20, lr=1e-9, headLr=1e-9, patience=2)))
    assert result["stoppedEarly"] == "no better validation"
    assert result["epochs"] == 3
    assert result["best"]["epoch"] == 1


def test_a_run_that_patience_ended_stays_ended_when_resumed(golden: Golden, tmp_path: Path) -> None:
    impatient = request(golden, tmp_path, epochs=20, lr=1e-9, headLr=1e-9, patience=2)
    finish(train(impatient))
    before = weights(tmp_path)
    _, result = finish(train({**impatient, "resume": "last"}))
    assert result["stoppedEarly"] == "no better validation"
    assert result["epochs"] == 3
    assert largest_difference(before, weights(tmp_path)) == 0


def test_a_time_limit_ends_a_run_in_order(golden: Golden, tmp_path: Path) -> None:
    _, result = finish(train(request(golden, tmp_path, epochs=100, timeLimitMinutes=1e-9)))
    assert result["stoppedEarly"] == "time limit"
    assert result["steps"] == 1
    assert (tmp_path / "last.pdparams").exists()


def test_a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights(
    golden: Golden, tmp_path: Path
) -> None:
    diverging = train(
        request(golden, tmp_path, epochs=50, lr=1e30, headLr=1e30, clip=None, warmupFraction=0.0)
    )
    with pytest.raises(DivergedError, match=r"The loss became (nan|inf) at step \d+ \(sentences \d+"):
        finish(diverging)
    for values in (state.weights for state in map(read_state, (tmp_path / "states").glob("step-*"))):
        file = TensorFile(values)
        assert all(np.isfinite(file[name]).all() for name in file)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(golden: Golden, tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        finish(train(request(golden, tmp_path / name, seed=seed, dropout=0.1)))
    one, again, other = (weights(tmp_path / name) for name in ("one", "again", "other"))
    assert largest_difference(one, again) == 0
    assert largest_difference(one, other) > 1e-6


def test_a_run_in_the_folder_is_not_overwritten_by_accident(golden: Golden, tmp_path: Path) -> None:
    finish(train(request(golden, tmp_path)))
    with pytest.raises(ConfigError, match="already holds a training run"):
        finish(train(request(golden, tmp_path)))


def test_a_refused_run_leaves_the_old_one_alone(golden: Golden, tmp_path: Path) -> None:
    finish(train(request(golden, tmp_path)))
    before, log = weights(tmp_path), (tmp_path / "metrics.jsonl").read_text()
    with pytest.raises(ConfigError):
        finish(train({**request(golden, tmp_path, freeze=["nothing.of.this.name"]), "overwrite": True}))
    assert largest_difference(before, weights(tmp_path)) == 0
    assert (tmp_path / "metrics.jsonl").read_text() == log


def test_going_on_from_the_best_state_gives_up_what_came_after_it(golden: Golden, tmp_path: Path) -> None:
    start = request(golden, tmp_path, epochs=4, lr=1e-9, headLr=1e-9)
    finish(train(start))
    straight = weights(tmp_path)
    best = RunFolder(str(tmp_path), keep=1).load("best")
    assert best.state["step"] == 8
    work = train({**start, "resume": "best", "training": {**start["training"], "saveEverySteps": 1}})
    assert next(work)["resumedStep"] == 8
    next(work)
    work.close()
    assert 8 < RunFolder(str(tmp_path), keep=1).load("last").state["step"] < 32
    finish(train({**start, "resume": "last"}))
    assert largest_difference(straight, weights(tmp_path)) == 0
    assert len(losses(tmp_path)) == 32


def test_a_time_limit_holds_for_steps_of_any_length(golden: Golden, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("vilbert.train.EVENT_SECONDS", -1.0)
    _, result = finish(train(request(golden, tmp_path, epochs=100, timeLimitMinutes=1e-9)))
    assert result["stoppedEarly"] == "time limit"
    assert result["steps"] == 1


def test_a_fraction_takes_that_share_and_limit_the_first_ones(golden: Golden, tmp_path: Path) -> None:
    events, _ = finish(train(request(golden, tmp_path / "fraction", fraction=0.5)))
    assert events[0]["trainExpressions"] == 29
    events, _ = finish(train(request(golden, tmp_path / "limit", limit=8)))
    assert events[0]["trainExpressions"] == 8
    assert events[0]["valExpressions"] == 8


def test_threads_that_assemble_ahead_change_no_bit(golden: Golden, tmp_path: Path) -> None:
    for workers in (0, 1, 3):
        finish(train(request(golden, tmp_path / str(workers), workers=workers, dropout=0.1)))
    none, one, three = (weights(tmp_path / str(workers)) for workers in (0, 1, 3))
    assert largest_difference(none, one) == 0
    assert largest_difference(none, three) == 0


def test_a_deterministic_run_is_not_resumed_with_another_number_of_threads(
    golden: Golden, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    start = request(golden, tmp_path, deterministic=True)
    finish(train(start))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with pytest.raises(ConfigError, match="was computed with 2 threads, here it would be 3"):
        finish(train({**start, "resume": "last"}))


def test_mixed_precision_is_refused_on_a_cpu(golden: Golden, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--amp O2 needs a GPU"):
        finish(train(request(golden, tmp_path, amp="O2")))
    assert not any(tmp_path.iterdir())


def test_curves_are_made_of_the_log_for_whichever_writer_is_there(tmp_path: Path, monkeypatch: Any) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            self.add_scalar = lambda name, value, step: written.append((name, value, step))
            self.close = lambda: None

    summary = type("tensorboard", (), {"Writer": Writer})
    monkeypatch.setattr(
        "vilbert.event_files._installed", lambda name: summary if name == "tensorboard.summary" else None
    )
    step = {"type": "step", "step": 1, "epoch": 1, "loss": 2.5, "lr": {"body": 0.1, "head": 0.2}}
    epoch = {"type": "epoch", "step": 1, "epoch": 1, "valAccuracy": 0.5}
    log = tmp_path / "metrics.jsonl"
    log.write_text(json.dumps(step) + "\n")
    files = EventFiles(tmp_path, log)
    files.write([epoch])
    files.close()
    assert written == [
        ("train/loss", 2.5, 1),
        ("lr/body", 0.1, 1),
        ("lr/head", 0.2, 1),
        ("val/accuracy", 0.5, 1),
    ]
