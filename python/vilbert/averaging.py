"""An exponential moving average of the weights, which often judges better than the weights themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import Tensor

from vilbert.views import numbers_of


class MovingAverage:
    """average = decay * average + (1 - decay) * weight, after every step; it starts at the first weights."""

    def __init__(self, named: Sequence[tuple[str, Tensor]], decay: float) -> None:
        self._decay = decay
        self._parameters = dict(named)
        self._averages = {name: parameter.detach().clone() for name, parameter in named}

    @paddle.no_grad()
    def update(self) -> None:
        """Takes the weights of a step in."""
        for name, average in self._averages.items():
            average.scale_(self._decay)
            average.add_(self._parameters[name].detach() * (1.0 - self._decay))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Lets the model work with the averages for a while; the weights come back bit by bit."""
        kept = {name: parameter.numpy() for name, parameter in self._parameters.items()}
        try:
            for name, average in self._averages.items():
                self._parameters[name].set_value(average)
            yield
        finally:
            for name, value in kept.items():
                self._parameters[name].set_value(value)

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Names and averages, to be saved."""
        for name, average in self._averages.items():
            yield name, numbers_of(average)

    def instead_of(self, values: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
        """Names and averages in the place of the values of those that have one."""
        for name, value in values:
            yield name, numbers_of(self._averages[name]) if name in self._averages else value

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes back what `arrays` gave."""
        for name, average in self._averages.items():
            average.set_value(np.ascontiguousarray(arrays[name]))
