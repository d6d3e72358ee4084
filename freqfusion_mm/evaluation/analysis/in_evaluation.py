"""A look at a module that leaves it as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_evaluation(module: nn.Module) -> Iterator[None]:
    """Inside it the module is in evaluation; afterwards each of its parts is in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
