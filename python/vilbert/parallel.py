"""The processes that train or judge together under Paddle's launcher, and the few things they tell each other.

Every process goes through the same steps. A step costs one all-reduce: the gradients of all parameters in one flat
row, behind them the loss and the wishes of the first process, so that all stop, save and report at the same step.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import Tensor
from paddle.base import core

from vilbert.errors import LostProcessError

FAILED = "failed"
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 1800


@dataclass(frozen=True)
class Processes:
    """Who this process is among those of the run; alone, everything here is free."""

    rank: int = 0
    count: int = 1
    nodes: int = 1  # machines that they run on

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
        self._all_reduce(flat)
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
        self._all_reduce(total)
        return total.numpy()

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes it."""
        return bool(self.sum_arrays(np.array([wish], np.float32))[0] > 0)

    def differences(self, numbers: Sequence[int]) -> list[int]:
        """The places of the numbers that are not the same in all processes; all get the same answer."""
        own = np.array(numbers, np.int64)
        first = self.sum_arrays(own if self.is_first else np.zeros_like(own))
        return np.flatnonzero(self.sum_arrays((own != first).astype(np.int64))).tolist()

    def wait_for_all(self, where: str) -> None:
        """Returns once every process has come to this place of the work, which must have a name of its own."""
        if self.count == 1:
            return
        self._count(where, 1)
        self._wait_until(where, self.count)

    def wait_for_first(self, where: str) -> None:
        """Returns once the first process has come to this place, where it may be busy alone for long."""
        if self.is_first:
            self._count(where, 1)
        else:
            self._wait_until(where, 1)

    def tell_failure(self) -> None:
        """Lets those that wait for this process know that it will not come."""
        self._count(FAILED, 1)

    def _wait_until(self, where: str, count: int) -> None:
        """Asks the store: unlike it, a collective of gloo gives up after 30 seconds."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while self._count(where, 0) < count:
            if self._count(FAILED, 0) > 0 or time.monotonic() > give_up:
                raise self._lost()
            time.sleep(POLL_SECONDS)

    def _count(self, key: str, more: int) -> int:
        """Adds to a number that all processes share; gives the new one."""
        if self.count == 1:
            return 0
        try:
            return core.create_or_get_global_tcp_store().add(f"vilbert/{key}", more)
        except (RuntimeError, OSError, ValueError) as error:
            raise self._lost() from error

    def _lost(self) -> LostProcessError:
        return LostProcessError(
            f"Process {self.rank} of {self.count} has lost another process of the run.",
            "Every node says of its own processes why they ended; --resume goes on from the last state.",
        )

    def _all_reduce(self, tensor: Tensor) -> None:
        try:
            dist.all_reduce(tensor)
        except (RuntimeError, OSError) as error:
            raise self._lost() from error


ALONE = Processes()


def processes() -> Processes:
    """The processes that the launcher started, or this one alone."""
    if not dist.is_initialized():
        return ALONE
    nodes = int(os.environ.get("PADDLE_NNODES", "1"))
    return Processes(rank=dist.get_rank(), count=dist.get_world_size(), nodes=nodes)
