"""What stays in memory between calls: the model that was loaded last."""

from __future__ import annotations

import json
import os
from typing import Any

import paddle

from vilbert.checkpoint import initialise, load_weights
from vilbert.config import ModelConfig
from vilbert.model import Inputs, Vilbert
from vilbert.dataset import Batch
from vilbert.tensors import TensorFile

_loaded: dict[str, Vilbert] = {}


def build_model(config: ModelConfig, weights: dict[str, Any] | None, seed: int) -> Vilbert:
    """A new model, from a tensor index or else from the seeded initialisation."""
    model = Vilbert(config)
    if weights is None:
        initialise(model, seed)
    else:
        load_weights(model, TensorFile(weights))
    return model


def open_model(config: dict[str, Any], weights: dict[str, Any]) -> Vilbert:
    """The model for `config` and `weights`, ready to evaluate; a second call with the same file is free."""
    status = os.stat(weights["file"])
    key = json.dumps(
        [config, weights["file"], status.st_mtime_ns, status.st_size, status.st_ino], sort_keys=True
    )
    if key not in _loaded:
        _loaded.clear()
        model = build_model(ModelConfig.from_json(config), weights, seed=0)
        model.eval()
        _loaded[key] = model
    return _loaded[key]


def to_inputs(batch: Batch) -> Inputs:
    """The batch as tensors; masks only where something is padded."""
    return Inputs(
        tokens=paddle.to_tensor(batch.tokens),
        features=paddle.to_tensor(batch.features),
        locations=paddle.to_tensor(batch.locations),
        token_mask=None if batch.token_mask.all() else paddle.to_tensor(batch.token_mask),
        region_mask=None if batch.region_mask.all() else paddle.to_tensor(batch.region_mask),
    )
