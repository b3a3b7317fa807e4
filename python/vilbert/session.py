"""What stays in memory between calls: the model that was loaded last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import paddle

from vilbert.batches import Batch, PackedBatch
from vilbert.carried import forget_unused
from vilbert.checkpoint import initialise, load_weights
from vilbert.config import ModelConfig
from vilbert.dataset import ReferringDataset
from vilbert.errors import ConfigError, MachineError
from vilbert.matrix import Matrix
from vilbert.model import Inputs, Vilbert, padded_inputs
from vilbert.packed import PackedRows, Pass, SharedRows
from vilbert.tensors import TensorFile

# A flag of Paddle: transposes are views. The backward pass copies these element by element, which takes 23 times as
# long as real transposes, so it is turned off.
TRANSPOSED_VIEWS = "FLAGS_use_stride_kernel"

_loaded: dict[str, Vilbert] = {}


def check_devices(request: dict[str, Any]) -> None:
    """Raises an MachineError where `gpus` (their numbers) are not on this machine."""
    gpus = ",".join(map(str, request["gpus"]))
    if not paddle.is_compiled_with_cuda():
        raise MachineError(
            f"--devices gpu:{gpus} needs a GPU, but this Paddle is built for CPUs.",
            "Run `vilbert-ts setup --gpu`, or use --nproc N.",
        )
    count = paddle.device.cuda.device_count()
    if max(request["gpus"]) >= count:
        raise MachineError(
            f"--devices gpu:{gpus} is not all here: this machine has {count} GPUs.", "Count them from 0."
        )


def use_device(device: str | None) -> None:
    """Computes on `cpu` or `gpu:0` from now on; None leaves the choice to Paddle, or to the launcher."""
    if device is None:
        return
    if device != "cpu":
        check_devices({"gpus": [int(device.split(":")[1])]})
    paddle.set_device(device)


def build_model(config: ModelConfig, weights: dict[str, Any] | None, seed: int) -> Vilbert:
    """A new model, from a tensor index or else from the seeded initialisation."""
    paddle.set_flags({TRANSPOSED_VIEWS: False})
    model = Vilbert(config)
    if weights is None:
        initialise(model, seed)
    else:
        load_weights(model, TensorFile(weights))
    return model


def check_data_fit(config: ModelConfig, dataset: ReferringDataset) -> None:
    """Raises a ConfigError where the model is too small for the data."""
    if config.v_feature_size != dataset.feature_size:
        raise ConfigError(
            f"The model wants features of {config.v_feature_size} numbers (v_feature_size), the data have "
            f"{dataset.feature_size}.",
            "Use the configuration of a model for these features.",
        )
    longest = max(len(expression.token_ids) for expression in dataset.expressions)
    if config.max_position_embeddings < longest:
        raise ConfigError(
            f"max_position_embeddings is {config.max_position_embeddings}, but an expression has {longest} tokens.",
            "Use 20 or more.",
        )
    highest = max(max(expression.token_ids) for expression in dataset.expressions)
    if config.vocab_size <= highest:
        raise ConfigError(
            f"vocab_size is {config.vocab_size}, but the expressions use token {highest}.",
            "Use 30522, the size of the vocabulary.",
        )


def open_model(config: dict[str, Any], weights: dict[str, Any]) -> Vilbert:
    """The model for `config` and `weights`, ready to give region logits and nothing else; a second call with the same file is free."""
    status = Path(weights["file"]).stat()
    key = json.dumps(
        [config, weights["file"], status.st_mtime_ns, status.st_size, status.st_ino], sort_keys=True
    )
    if key not in _loaded:
        _loaded.clear()
        model = build_model(ModelConfig.from_json(config), weights, seed=0)
        model.eval()
        forget_unused(model)
        _loaded[key] = model
    return _loaded[key]


def to_inputs(batch: Batch, *, recomputes: bool = False) -> Inputs:
    """The batch as tensors; masks only where something is padded."""
    return padded_inputs(
        tokens=paddle.to_tensor(batch.tokens),
        features=paddle.to_tensor(batch.features),
        locations=paddle.to_tensor(batch.locations),
        token_mask=None if batch.token_mask.all() else paddle.to_tensor(batch.token_mask),
        region_mask=None if batch.region_mask.all() else paddle.to_tensor(batch.region_mask),
        recomputes=recomputes,
    )


def to_packed_inputs(batch: PackedBatch, shared: Pass) -> Inputs:
    """The batch as matrices without padding, over the batch's own memory."""
    if batch.places is None:
        image_rows = PackedRows(shared, batch.region_offsets)
    else:
        image_rows = SharedRows(shared, batch.region_offsets, batch.places)
    return Inputs(
        tokens=Matrix.over(batch.tokens),
        features=Matrix.over(batch.features),
        locations=Matrix.over(batch.locations),
        text_rows=PackedRows(shared, batch.text_offsets, batch.positions),
        image_rows=image_rows,
    )
