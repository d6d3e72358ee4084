"""The errors that are a user's mistake whenever they occur, in a run too; this file imports nothing."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, broken, unsafe, or made for another model."""


class UnreadableImage(OSError):
    """An image that is missing, truncated, or none at all."""


class WrongLabels(ValueError):
    """A label that the model has no output for: not one file's fault, as a rule, but the config's."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message.rpartition(f'{type(self).__name__}: ')[2].strip()
        )  # a loader's worker quotes its stack


USERS = (CheckpointError, UnreadableImage, WrongLabels)
