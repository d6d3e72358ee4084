"""A model without its wrappers."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, taken out of what distributed runs and augmented views wrap around it."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def plain_model(runner: Runner) -> nn.Module:
    """The model of a runner, unwrapped."""
    return unwrapped(runner.model)


@contextmanager
def whole_weights(runner: Runner) -> Iterator[None]:
    """Inside it each process holds all weights of a model that they share (FSDP), to look at; every one enters."""
    if any(kind.__name__ == 'FullyShardedDataParallel' for kind in type(runner.model).__mro__):
        from torch.distributed.fsdp import FullyShardedDataParallel

        with FullyShardedDataParallel.summon_full_params(runner.model, writeback=False):
            yield
    else:
        yield
