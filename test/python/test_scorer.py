"""Scores on the kernels: work that is done once an image changes no bit of what each expression is told."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import paddle
import pytest
from conftest import Golden
from vilbert import kernels
from vilbert.config import ModelConfig
from vilbert.dataset import open_split
from vilbert.errors import MachineError
from vilbert.scorer import KernelScorer, scorer_of
from vilbert.session import build_model

pytestmark = pytest.mark.skipif(not kernels.are_available(), reason="the kernels are not built")


@pytest.mark.parametrize("precision", ["fp32", *(["bf16"] if kernels.has_bfloat16() else [])])
@pytest.mark.parametrize("first_meeting", [0, 1], ids=["before all image layers", "behind an image layer"])
def test_expressions_that_share_an_image_score_as_each_does_with_its_own(
    golden: Golden, precision: str, first_meeting: int
) -> None:
    meetings = [met + first_meeting for met in golden.config["v_biattention_id"]]
    config = {**golden.config, "v_num_hidden_layers": meetings[-1] + 1, "v_biattention_id": meetings}
    model = build_model(ModelConfig.from_json(config), None, seed=3)
    model.eval()
    dataset = open_split(golden.data, "val", golden.vocabulary)
    scorer = KernelScorer(model, precision)
    rows = [3, 0, 1, 7, 2, 0, 5]
    shared = dataset.packed(rows, shares_images=True)
    alone = dataset.packed(rows)
    assert len(shared.features) < len(alone.features)
    with paddle.no_grad():
        for one, other in zip(scorer.score(shared), scorer.score(alone)):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("wanted", ["bf16", "auto"])
def test_a_gpu_scores_in_mixed_precision_where_it_can(
    golden: Golden, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    model = build_model(ModelConfig.from_json(golden.config), None, seed=3)
    model.eval()
    dataset = open_split(golden.data, "val", golden.vocabulary)
    levels = []

    def auto_cast(*, level: str, dtype: str) -> AbstractContextManager[None]:
        levels.append((level, dtype))
        return nullcontext()

    monkeypatch.setattr(paddle.amp, "auto_cast", auto_cast)
    monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: True)
    scorer = scorer_of(model, wanted)
    assert (scorer.engine, scorer.precision) == ("stock", "bf16")
    assert scorer_of(model, "fp32").precision == "fp32"
    assert [len(logits) for logits in scorer.logits(dataset, [0, 1])] == [
        dataset.region_count(0),
        dataset.region_count(1),
    ]
    assert levels == [("O1", "bfloat16")]
    monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: False)
    assert scorer_of(model, "auto").precision == "fp32"
    with pytest.raises(MachineError, match="bf16 needs"):
        scorer_of(model, "bf16")


def test_batches_keep_the_expressions_of_an_image_together(golden: Golden) -> None:
    dataset = open_split(golden.data, "train", golden.vocabulary)
    scorer = KernelScorer(build_model(ModelConfig.from_json(golden.config), None, seed=3), "fp32")
    batches = scorer.batches(dataset, 4)
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(dataset)))
    images = [dataset.expressions[row].image_id for row in rows]
    changes = sum(one != other for one, other in zip(images, images[1:]))
    assert changes + 1 == len(set(images))
    counts = [dataset.region_count(row) for row in rows]
    assert counts == sorted(counts, reverse=True)
