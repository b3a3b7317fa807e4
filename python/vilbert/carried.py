"""Tensors that referring expressions never touch: out of memory during the work, unchanged in what is saved."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from paddle import Tensor

from vilbert.errors import CheckpointError
from vilbert.model import Vilbert, unused_prefixes
from vilbert.views import numbers_of


class _Place(NamedTuple):
    offset: int
    shape: tuple[int, ...]


class CarriedTensors:
    """The unused tensors of a model that trains, in a file without a name that is gone when the process is.

    A file of its own and not the one that they came from: that one may be replaced or pruned before the next save.
    """

    def __init__(self, model: Vilbert, folder: str) -> None:
        """Copies them to a file in `folder`; the model may forget them then. Raises a CheckpointError where it cannot be written."""
        self._model = model
        self._places: dict[str, _Place] = {}
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (open as long as the run)
            for name, parameter in unused_parameters(model):
                value = numbers_of(parameter)
                self._places[name] = _Place(self._file.tell(), value.shape)
                self._file.write(value.reshape(-1).view(np.uint8).data)
            self._file.flush()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CheckpointError(
                f"{folder} cannot be written: {reason}.", "Make room or choose another place."
            ) from error

    def values(self) -> Iterator[tuple[str, np.ndarray]]:
        """Names and values of all tensors in the model's order, of the carried ones only one at a time in memory."""
        for name, parameter in self._model.named_parameters():
            place = self._places.get(name)
            yield name, numbers_of(parameter) if place is None else self._read(place)

    def _read(self, place: _Place) -> np.ndarray:
        value = np.empty(place.shape, np.float32)
        self._file.seek(place.offset)
        self._file.readinto(value.reshape(-1).view(np.uint8).data)
        return value


def unused_parameters(model: Vilbert) -> list[tuple[str, Tensor]]:
    """Names and parameters that `region_logits` never touches."""
    unused = unused_prefixes(model.config)
    return [(name, parameter) for name, parameter in model.named_parameters() if name.startswith(unused)]


def forget_unused(model: Vilbert) -> None:
    """Gives back their memory; they keep their shapes, and `region_logits` all that it needs."""
    for _, parameter in unused_parameters(model):
        parameter._clear_data()
