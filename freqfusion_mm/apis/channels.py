"""How many channels the images of a model have."""

from typing import NoReturn

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..engine.plain_model import unwrapped
from ..evaluation.analysis.in_evaluation import in_evaluation


def input_channels(model: nn.Module) -> int:
    """How many channels the backbone takes, by the convolution that an image meets first.

    What stands before it may make more of them: YOLOX's stem makes twelve channels of the pixels of every 2x2 square.

    Raises:
        ValueError: the backbone has none.
    """
    convolutions = (module for module in model.backbone.modules() if isinstance(module, nn.Conv2d))
    first = next(convolutions, None)
    if first is None:
        raise ValueError(
            f'the backbone {type(model.backbone).__name__} has no convolution that says how many channels it takes'
        )
    if first.in_channels < 4:  # too few to be made of squares
        return first.in_channels
    counts = (first.in_channels, *range(1, first.in_channels))
    return next((count for count in counts if _fits(model.backbone, count)), first.in_channels)


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


def swaps_channels(preprocessor: nn.Module) -> bool:
    """Does it turn BGR into RGB, or back? The names are mmseg's, mmengine's (mmdet's) and mmpretrain's."""
    return any(getattr(preprocessor, name, False) for name in ('channel_conversion', '_channel_conversion', 'to_rgb'))


class _Met(Exception):
    """An image has come to its first convolution."""


def _fits(backbone: nn.Module, count: int) -> bool:
    """Does the first convolution that an image of so many channels meets take what it gets?"""
    fits = []

    def meet(convolution: nn.Conv2d, inputs: tuple[Tensor, ...]) -> NoReturn:
        fits.append(inputs[0].shape[1] == convolution.in_channels)
        raise _Met

    convolutions = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    hooks = [convolution.register_forward_pre_hook(meet) for convolution in convolutions]
    try:
        with in_evaluation(backbone), torch.no_grad():  # what comes before the convolution keeps its statistics
            backbone(convolutions[0].weight.new_zeros(1, count, 64, 64))
    except Exception:  # _Met, or whatever else it does not like about the image
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return fits == [True]


def _made_of(model: nn.Module, count: int) -> int | None:
    """How many channels the preprocessor makes of so many."""
    image = torch.zeros(count, 32, 32, dtype=torch.uint8)
    batch = dict(inputs=[image], data_samples=[BaseDataElement()])  # where mmseg writes how it padded
    try:
        return model.data_preprocessor(batch, False)['inputs'].shape[1]
    except Exception:  # whatever it does not like about them
        return None
