"""The processes that train or judge together under Paddle's launcher, and the few things they tell each other.

Every process goes through the same steps. A step costs one all-reduce: the gradients of all parameters in one flat
row, behind them the loss and the wishes of the first process, so that all stop, save and report at the same step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import Tensor


@dataclass(frozen=True)
class Processes:
    """Who this process is among those of the run; alone, everything here is free."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and tells what happens."""
        return self.rank == 0

    def share(self, rows: Sequence[int], costs: Sequence[int]) -> Sequence[int]:
        """This process's part of the rows of a step: dealt out from the costliest, so that all take as long."""
        if self.count == 1:
            return rows
        order = sorted(range(len(rows)), key=lambda place: -costs[place])
        return [rows[place] for place in order[self.rank :: self.count]]

    def add_up(self, parameters: Sequence[Tensor], loss: float, wish: int) -> tuple[float, int]:
        """Adds up gradients and losses of all processes; `wish` is answered with that of the first one.

        Losses are parts of the step's mean, so their sum weighs every process by its real number of expressions.
        A parameter that nowhere has a gradient (one of a frozen layer) has none afterwards either.
        """
        if self.count == 1:
            return loss, wish
        rows = [
            parameter.grad.reshape([-1])
            if parameter.grad is not None
            else paddle.zeros([parameter.size], "float32")
            for parameter in parameters
        ]
        has_gradient = [float(parameter.grad is not None) for parameter in parameters]
        told = [*has_gradient, loss, float(wish * self.is_first)]
        flat = paddle.concat([*rows, paddle.to_tensor(told, "float32")])
        del rows
        dist.all_reduce(flat)
        numbers = flat[-len(told) :].numpy()
        start = 0
        for parameter, holders in zip(parameters, numbers):
            stop = start + int(parameter.size)
            if holders > 0:
                gradient = flat[start:stop].reshape(parameter.shape)
                if parameter.grad is None:
                    parameter.grad = gradient
                else:
                    paddle.assign(gradient, parameter.grad)
            start = stop
        return float(numbers[-2]), int(numbers[-1])

    def sum_arrays(self, array: np.ndarray) -> np.ndarray:
        """Adds up an array of all processes; each fills in its own part of zeros."""
        if self.count == 1:
            return array
        total = paddle.to_tensor(array)
        dist.all_reduce(total)
        return total.numpy()

    def agree(self, wish: bool) -> bool:
        """What the first process wishes."""
        return bool(self.sum_arrays(np.array([wish and self.is_first], np.float32))[0] > 0)

    def wait_for_all(self) -> None:
        """Returns once every process is here."""
        self.agree(False)


ALONE = Processes()


def processes() -> Processes:
    """The processes that the launcher started, or this one alone."""
    if not dist.is_initialized():
        return ALONE
    return Processes(rank=dist.get_rank(), count=dist.get_world_size())
