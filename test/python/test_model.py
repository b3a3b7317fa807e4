"""The model against what the published code computes: names, shapes, batches, all seven heads, gradients."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest
from conftest import GOLDEN, VOCABULARY, Golden
from vilbert.checkpoint import initial_value
from vilbert.config import ModelConfig
from vilbert.dataset import groups_of_similar_length, open_split
from vilbert.errors import CheckpointError, ConfigError
from vilbert.learner import summed_loss
from vilbert.model import Vilbert, unused_prefixes
from vilbert.optim import Schedule, is_decayed, is_head
from vilbert.session import build_model, check_data_fit, open_model, to_inputs
from vilbert.tokenizer import ExpressionTokenizer


def test_the_full_config_has_the_published_names_and_shapes() -> None:
    expected = json.loads((GOLDEN / "state_dict_full.json").read_text())
    config = ModelConfig.from_json(json.loads((GOLDEN / "config-full.json").read_text()))
    shapes = {name: list(parameter.shape) for name, parameter in Vilbert(config).named_parameters()}
    assert shapes == expected
    assert len(shapes) == 545
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 275_588_995


def test_phrases_become_the_published_tokens() -> None:
    tokenizer = ExpressionTokenizer(VOCABULARY)
    cases = json.loads((GOLDEN / "tokens.json").read_text())
    assert len(cases) >= 20
    for case in cases:
        [ids] = tokenizer.encode([case["text"]])
        length = sum(case["mask"])
        assert ids == case["ids"][:length], case["text"]
        assert tokenizer.words(ids) == case["tokens"], case["text"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_first_batch_is_the_published_one(golden: Golden, split: str) -> None:
    expected = np.load(GOLDEN / "expected" / f"batch_{split}.npz")
    batch = open_split(golden.data, split, golden.vocabulary).batch(range(8), tokens=20, regions=100)
    np.testing.assert_array_equal(batch.tokens, expected["tokens"])
    np.testing.assert_array_equal(batch.token_mask, expected["input_mask"])
    np.testing.assert_array_equal(batch.region_mask, expected["image_mask"])
    np.testing.assert_allclose(batch.locations, expected["spatials"], atol=1e-6)
    np.testing.assert_allclose(batch.targets, expected["target"], atol=1e-6)
    np.testing.assert_allclose(batch.features[..., :8], expected["features_head"], atol=1e-6)
    np.testing.assert_allclose(batch.features.sum(-1, dtype=np.float64), expected["features_sum"], rtol=1e-6)


@pytest.mark.parametrize("split", ["train", "val"])
def test_all_seven_heads_give_the_published_numbers(golden: Golden, split: str) -> None:
    expected = np.load(GOLDEN / "expected" / f"batch_{split}.npz")
    batch = open_split(golden.data, split, golden.vocabulary).batch(range(8), tokens=20, regions=100)
    model = build_model(ModelConfig.from_json(golden.config), golden.weights, seed=0)
    model.eval()
    with paddle.no_grad():
        heads = {name: head.numpy() for name, head in model(to_inputs(batch))._asdict().items()}
    assert len(heads) == 7
    for name, found in heads.items():
        if f"{name}_head" in expected:
            np.testing.assert_allclose(found[..., :16], expected[f"{name}_head"], atol=2e-4, err_msg=name)
        else:
            np.testing.assert_allclose(found, expected[name], atol=2e-4, err_msg=name)


def test_padding_changes_no_logit(golden: Golden) -> None:
    dataset = open_split(golden.data, "val", golden.vocabulary)
    model = open_model(golden.config, golden.weights)
    short, padded = dataset.batch(range(8)), dataset.batch(range(8), tokens=20, regions=100)
    assert short.features.shape[1] < 100
    with paddle.no_grad():
        close, wide = (model.region_logits(to_inputs(batch)).numpy() for batch in (short, padded))
    for row, count in enumerate(short.region_counts):
        np.testing.assert_allclose(close[row, :count], wide[row, :count], atol=1e-5)
        assert wide[row, count:].max(initial=-np.inf) < -9000


def test_a_step_is_cut_where_padding_costs_more_than_a_pass() -> None:
    assert groups_of_similar_length([0, 1, 2], [10, 10, 10]) == [[0, 1, 2]]
    assert groups_of_similar_length([0, 1, 2, 3], [9, 10, 11, 10]) == [[2, 1, 3, 0]]
    long, short = list(range(10)), list(range(10, 40))
    groups = groups_of_similar_length(long + short, [90] * 10 + [12] * 30)
    assert groups == [short, long]


def test_exactly_the_tensors_that_reach_the_region_logits_get_gradients(golden: Golden) -> None:
    config = ModelConfig.from_json(golden.config).with_dropout(0.0)
    model = build_model(config, golden.weights, seed=0)
    model.train()
    batch = open_split(golden.data, "train", golden.vocabulary).batch(range(4))
    summed_loss(model.region_logits(to_inputs(batch)), paddle.to_tensor(batch.targets)).backward()
    unused = unused_prefixes(config)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(unused), name


def test_a_new_model_depends_on_the_seed_alone() -> None:
    config = ModelConfig.from_json(json.loads((GOLDEN / "config.json").read_text()))
    name, shape = "bert.embeddings.word_embeddings.weight", (3000, 16)
    first, again, other = (initial_value(name, shape, config, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    assert abs(first.std() - config.initializer_range) < 0.001
    assert not np.array_equal(
        first, initial_value("bert.embeddings.token_type_embeddings.weight", shape, config, 1)
    )


def test_the_recipes_decay_opposite_parameters() -> None:
    config = ModelConfig.from_json(json.loads((GOLDEN / "config.json").read_text()))
    for name, _ in Vilbert(config).named_parameters():
        assert is_decayed(name, "seed") != is_decayed(name, "corrected")
    assert is_decayed("bert.encoder.layer.0.output.LayerNorm.weight", "seed")
    assert not is_decayed("vision_logit.weight", "seed")
    assert is_head("vision_logit.weight")
    assert not is_head("linguisic_logit.weight")


def test_the_schedule_warms_up_then_falls_to_tenths() -> None:
    schedule = Schedule(warmup_steps=4, decay_steps=[10, 20])
    factors = [schedule.factor(step) for step in (1, 2, 4, 9, 10, 19, 20)]
    assert factors == pytest.approx([0.25, 0.5, 1, 1, 0.1, 0.1, 0.01])


def test_weights_of_another_size_are_refused_by_name(golden: Golden) -> None:
    config = ModelConfig.from_json({**golden.config, "v_hidden_size": 48})
    with pytest.raises(
        CheckpointError, match=r"bert\.v_embeddings\.image_embeddings\.weight is \[2048, 24\]"
    ):
        build_model(config, golden.weights, seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v_feature_size": 1024}, "v_feature_size"),
        ({"max_position_embeddings": 4}, "max_position"),
        ({"vocab_size": 500}, "vocab_size"),
    ],
)
def test_a_model_too_small_for_the_data_is_refused(
    golden: Golden, change: dict[str, int], message: str
) -> None:
    config = ModelConfig.from_json({**golden.config, **change})
    with pytest.raises(ConfigError, match=message):
        check_data_fit(config, open_split(golden.data, "val", golden.vocabulary))
