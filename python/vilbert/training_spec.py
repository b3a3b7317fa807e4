"""The options of a training run, as the command line has checked them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from vilbert.config import ModelConfig


@dataclass(frozen=True)
class TrainingSpec:
    """One field for each setting of `src/config/training.ts`."""

    output_dir: str
    epochs: int
    batch_size: int  # expressions in a step
    lr: float
    head_lr: float
    from_pretrained: str | None = None  # told for the record; the weights come as a tensor index
    eval_batch_size: int = 512
    grad_accumulation: int = 1  # parts into which a batch is cut
    recipe: str = "seed"
    decay_epochs: tuple[int, ...] = (12, 16)
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    clip: float | None = 1.0  # gradients are cut to ± this value
    dropout: float | None = None  # None keeps the rates of the model's configuration
    shuffle: bool = True
    seed: int = 42
    max_steps: int | None = None
    limit: int | None = None  # of expressions of a split
    fraction: float = 1.0  # of the training expressions
    freeze: tuple[str, ...] = ()  # patterns of names that do not learn
    ema: float | None = None  # decay of the moving average of the weights
    patience: int | None = None  # validations without a better one until the run ends
    eval_every: int = 1  # epochs between validations
    save_every_steps: int | None = None  # beside the save after each epoch
    keep: int = 1  # states to resume from, the newest first; that of the best is kept, too
    time_limit_minutes: float | None = None
    nproc: int = 1  # told for the record, as are the devices: the launcher has started them
    devices: str | None = None
    precision: str = "fp32"  # of products on CPUs: "fp32", "bf16" or "auto"
    amp: str | None = None  # "O1" or "O2", GPUs only
    dtype: str = "bfloat16"  # what amp computes in
    recompute: bool = False  # activations are computed twice instead of kept
    workers: int = 1  # threads that assemble batches ahead; 0 assembles between the steps
    deterministic: bool = False

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingSpec:
        """Builds the spec from camelCase keys; an unknown one is a mistake of ours and raises TypeError."""
        spec = cls(**{_snake_case(key): value for key, value in values.items()})
        return replace(spec, decay_epochs=tuple(spec.decay_epochs), freeze=tuple(spec.freeze))

    def model_config(self, config: ModelConfig) -> ModelConfig:
        """The model's configuration with the run's dropout."""
        return config if self.dropout is None else config.with_dropout(self.dropout)

    def is_frozen(self, name: str) -> bool:
        """Whether a parameter keeps its value."""
        return any(fnmatchcase(name, pattern) for pattern in self.freeze)


def _snake_case(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
