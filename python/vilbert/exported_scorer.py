"""Scores by Paddle Inference on an exported graph, see `vilbert.exported`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from paddle import inference

from vilbert.batches import MAX_REGIONS, Batch
from vilbert.config import ModelConfig
from vilbert.dataset import ReferringDataset, by_length
from vilbert.errors import CheckpointError
from vilbert.exported import GRAPH, WEIGHTS
from vilbert.reproducible import compute_threads

# Sizes are rounded up to it. Each new shape has oneDNN lay out the weights anew, which takes 0.12 s in the full model.
MULTIPLE = 4


class ExportedScorer:
    """The exported graph on padded batches; the model itself is not in memory."""

    engine = "exported"

    def __init__(self, folder: Path, config: ModelConfig, precision: str) -> None:
        """Raises a CheckpointError where the engine cannot be loaded."""
        self._predictor = _predictor(folder, precision)
        self.precision = precision
        self.config = config

    def batches(self, dataset: ReferringDataset, batch_size: int) -> list[list[int]]:
        """Those with little padding, and of one shape in a row."""
        return by_length(dataset, batch_size, MULTIPLE)

    def assemble(self, dataset: ReferringDataset, rows: Sequence[int]) -> Batch:
        """A batch padded to its longest example, and a little more."""
        tokens = max(len(dataset.expressions[row].token_ids) for row in rows)
        regions = max(dataset.region_count(row) for row in rows)
        return dataset.batch(
            rows,
            tokens=min(_rounded(tokens), self.config.max_position_embeddings),
            regions=min(_rounded(regions), MAX_REGIONS),
        )

    def score(self, assembled: Batch) -> list[np.ndarray]:
        """Logits of the real regions."""
        inputs = {
            "tokens": assembled.tokens,
            "features": assembled.features,
            "locations": assembled.locations,
            "token_mask": assembled.token_mask,
            "region_mask": assembled.region_mask,
        }
        for name, array in inputs.items():
            handle = self._predictor.get_input_handle(name)
            handle.reshape(array.shape)
            handle.copy_from_cpu(array)
        self._predictor.run()
        (output,) = self._predictor.get_output_names()
        padded = self._predictor.get_output_handle(output).copy_to_cpu()  # (B, R)
        return [logits[:count].copy() for logits, count in zip(padded, assembled.region_counts)]

    def logits(self, dataset: ReferringDataset, rows: Sequence[int]) -> list[np.ndarray]:
        """Both steps at once."""
        return self.score(self.assemble(dataset, rows))


def _rounded(count: int) -> int:
    return -(-count // MULTIPLE) * MULTIPLE


@lru_cache(maxsize=1)
def _predictor(folder: Path, precision: str) -> inference.Predictor:
    """The engine in memory; a second call for the same one is free."""
    try:
        return inference.create_predictor(inference_config(folder, precision))
    except (RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"The exported engine in {folder} cannot be loaded.", "Run the command again: it is made anew."
        ) from error


def inference_config(folder: Path, precision: str) -> inference.Config:
    """How Paddle Inference runs an engine: on oneDNN, with the threads that everything here computes on."""
    config = inference.Config(str(folder / GRAPH), str(folder / WEIGHTS))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    # oneDNN keeps a copy of all weights for each shape that it has seen: of the full model 0.8 GB each time.
    config.set_mkldnn_cache_capacity(1)
    config.set_cpu_math_library_num_threads(compute_threads())
    if precision == "bf16":
        config.enable_mkldnn_bfloat16()
    return config
