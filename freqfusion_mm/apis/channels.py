"""How many channels the images of a model have."""

import torch
from torch import nn

from ..engine.plain_model import unwrapped


def input_channels(model: nn.Module) -> int:
    """How many channels the backbone takes, by its first convolution or projection.

    Raises:
        ValueError: the backbone has none.
    """
    for module in model.backbone.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    raise ValueError(
        f'the backbone {type(model.backbone).__name__} has no convolution that says how many channels it takes'
    )


def channels_taken(model: nn.Module) -> set[int] | None:
    """The numbers of channels that an image may have, asked of the built preprocessor.

    A preprocessor with three means makes three channels of a grey image, so that such a model takes 1 and 3.

    Returns:
        They; None where the model does not say.
    """
    model = unwrapped(model)
    try:
        wanted = input_channels(model)
    except (ValueError, AttributeError):
        return None
    return {count for count in range(1, max(wanted, 4) + 1) if _made_of(model, count) == wanted} or None


def _made_of(model: nn.Module, count: int) -> int | None:
    """How many channels the preprocessor makes of so many."""
    image = torch.zeros(count, 32, 32, dtype=torch.uint8)
    try:
        return model.data_preprocessor(dict(inputs=[image], data_samples=None), False)['inputs'].shape[1]
    except Exception:  # whatever it does not like about them
        return None
