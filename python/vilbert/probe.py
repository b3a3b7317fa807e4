"""Two files of weights on one fixed batch: the proof of a conversion."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle

from vilbert.checkpoint import load_weights
from vilbert.config import ModelConfig
from vilbert.model import HeadOutputs, Inputs, Vilbert, padded_inputs
from vilbert.session import build_model
from vilbert.tensors import TensorFile

PROBE = "2 phrases of 12 tokens over 9 regions, seed 20210519"


def compare(request: dict[str, Any]) -> dict[str, Any]:
    """The largest absolute difference of each output.

    Request: `config`, `before` and `after` (tensor indices). All seven heads are compared, or only the logits of the
    regions where one of the files holds nothing else.
    """
    config = ModelConfig.from_json(request["config"])
    batch = probe_batch(config)
    model = build_model(config, request["before"], seed=0)
    model.eval()
    before = run(model, batch)
    load_weights(model, TensorFile(request["after"]))
    after = run(model, batch)
    counts = {len(request[key]["tensors"]) for key in ("before", "after")}
    whole = counts == {len(list(model.named_parameters()))}
    names = HeadOutputs._fields if whole else ("vision_logit",)
    return {
        "probe": PROBE,
        "outputs": {name: float(np.abs(before[name] - after[name]).max()) for name in names},
    }


def probe_batch(config: ModelConfig) -> Inputs:
    """Words, features and boxes from a seeded stream."""
    random = np.random.Generator(np.random.Philox(20210519))
    batch, regions, tokens = 2, 9, min(12, config.max_position_embeddings)
    corners = np.sort(random.random((batch, regions, 2, 2), np.float32), axis=2).reshape(batch, regions, 4)
    area = (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
    features = np.abs(random.standard_normal((batch, regions, config.v_feature_size), np.float32))
    return padded_inputs(
        tokens=paddle.to_tensor(random.integers(0, config.vocab_size, (batch, tokens))),
        features=paddle.to_tensor(features),
        locations=paddle.to_tensor(np.concatenate([corners, area[..., None]], axis=2)),
    )


def run(model: Vilbert, batch: Inputs) -> dict[str, np.ndarray]:
    """Every output by its name."""
    with paddle.no_grad():
        return {name: output.numpy() for name, output in model(batch)._asdict().items()}
