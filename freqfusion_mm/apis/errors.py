"""The errors that are a user's mistake whenever they occur, in a run too; this file imports nothing."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, broken, unsafe, or made for another model."""


class _Quoted(Exception):
    """One that the worker of a loader may raise: torch makes it again, of a text that quotes the worker's stack."""

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f'{type(self).__name__}: ')[2].strip())


class UnreadableImage(_Quoted, OSError):
    """An image that is missing, truncated, or none at all."""


class WrongLabels(_Quoted, ValueError):
    """A label that the model has no output for: not one file's fault, as a rule, but the config's."""


USERS = (CheckpointError, UnreadableImage, WrongLabels)
