"""The errors that are a user's mistake whenever they occur, in a run too."""

from .checkpoint import CheckpointError
from .pixels import UnreadableImage, WrongLabels

USERS = (CheckpointError, UnreadableImage, WrongLabels)
