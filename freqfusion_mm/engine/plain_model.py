"""The model of a runner without its wrapper."""

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def plain_model(runner: Runner) -> nn.Module:
    """The runner's model, taken out of what distributed training wraps around it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
