"""Errors that the user can do something about; the bridge hands `vilbert_kind` and `next` to the command line."""

from __future__ import annotations


class UserError(Exception):
    """One sentence on what is wrong and where; `next` says what to do about it."""

    vilbert_kind = "data"

    def __init__(self, message: str, next: str | None = None) -> None:
        super().__init__(message)
        self.next = next


class DataError(UserError):
    """A data file does not hold what was asked for."""


class CheckpointError(UserError):
    """Weights do not fit the model, or cannot be read or written."""

    vilbert_kind = "checkpoint"


class ConfigError(UserError):
    """Options that do not go together."""

    vilbert_kind = "config"


class MachineError(UserError):
    """This machine or its Python environment cannot do what was asked for."""

    vilbert_kind = "environment"


class DivergedError(UserError):
    """The loss is no number any more."""

    vilbert_kind = "gate"


class LostProcessError(UserError):
    """Another process of the run is gone, on this machine or another one."""

    vilbert_kind = "lost process"
