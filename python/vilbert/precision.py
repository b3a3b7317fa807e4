"""Mixed precision on GPUs: which number format the forward and backward pass compute in.

Weights, moments and checkpoints stay float32 at both levels: O1 casts the products of matrices, O2 all but what
needs the range. float16 has so little of it that the loss is scaled by a fixed power of two, which a resumed run
needs no state for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, cast

import paddle
from paddle import Tensor

from vilbert.errors import ConfigError

FLOAT16_SCALE = 1024.0
Level = Literal["O1", "O2"]
Format = Literal["bfloat16", "float16"]


class Precision:
    """The number format of one run."""

    def __init__(self, level: str | None, dtype: str) -> None:
        """Raises a ConfigError where `level` ("O1" or "O2") is wanted without a GPU."""
        if level is not None and paddle.device.get_device() == "cpu":
            raise ConfigError(
                f"--amp {level} needs a GPU: this run computes on the CPU.",
                "Leave --amp out; on a CPU with AMX or AVX512-BF16 there is --precision bf16.",
            )
        self._level: Level | None = cast("Level | None", level)
        self._dtype: Format = cast("Format", dtype)
        self._scale = FLOAT16_SCALE if level is not None and dtype == "float16" else 1.0

    @property
    def name(self) -> str:
        """As a run's record says it."""
        return "fp32" if self._level is None else f"{self._level} {self._dtype}"

    def forward(self) -> AbstractContextManager[None]:
        """Where the forward pass belongs."""
        if self._level is None:
            return nullcontext()
        return paddle.amp.auto_cast(level=self._level, dtype=self._dtype)

    def backward(self, loss: Tensor) -> None:
        """The backward pass of a loss, scaled where that is needed."""
        (loss if self._scale == 1.0 else loss * self._scale).backward()

    def unscale(self, parameters: Sequence[Tensor]) -> None:
        """Takes the scale out of the gradients."""
        if self._scale == 1.0:
            return
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.scale_(1.0 / self._scale)
