"""A model without its wrappers."""

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
