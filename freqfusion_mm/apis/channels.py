"""How many channels the images of a model have."""

from collections.abc import Iterable
from typing import NoReturn

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..engine.plain_model import unwrapped
from ..evaluation.analysis.in_evaluation import in_evaluation

MORE_CHANNELS = 16  # than its first convolution takes, in a backbone of several streams


def input_channels(model: nn.Module) -> int:
    """How many channels the backbone takes: the fewest, where it takes several numbers of them.

    Raises:
        ValueError: it has no convolution.
    """
    return min(_counts(model.backbone))


def channels_taken(model: nn.Module) -> set[int] | None:
    """The numbers of channels that an image may have, asked of the built preprocessor.

    A preprocessor with three means makes three channels of a grey image, so that such a model takes 1 and 3.

    Returns:
        They; None where the model does not say.
    """
    model = unwrapped(model)
    try:
        wanted = _counts(model.backbone)
    except (ValueError, AttributeError):
        return None
    return {count for count in range(1, max(*wanted, 4) + 1) if _made_of(model, count) in wanted} or None


def swaps_channels(preprocessor: nn.Module) -> bool:
    """Does it turn BGR into RGB, or back? The names are mmseg's, mmengine's (mmdet's) and mmpretrain's."""
    return any(getattr(preprocessor, name, False) for name in ('channel_conversion', '_channel_conversion', 'to_rgb'))


class _Met(Exception):
    """An image has come to its first convolution."""


def _counts(backbone: nn.Module) -> list[int]:
    """The numbers of channels that a backbone takes, by the convolution that an image meets first.

    What stands before it may make more of them (YOLOX's stem makes twelve channels of the pixels of every 2x2 square),
    or fewer: of two streams each takes its own, and the whole backbone is asked then.
    """
    convolutions = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise ValueError(
            f'the backbone {type(backbone).__name__} has no convolution that says how many channels it takes'
        )
    first = convolutions[0].in_channels
    with in_evaluation(backbone), torch.no_grad():
        counts = _fitting(backbone, convolutions, range(1, first + MORE_CHANNELS + 1))
        if len(counts) > 1:
            counts = [count for count in counts if _runs(backbone, count)] or counts
    return counts or [first]


def _fitting(backbone: nn.Module, convolutions: list[nn.Conv2d], counts: Iterable[int]) -> list[int]:
    """Those of which the first convolution that an image of so many channels meets takes what it gets."""
    fits = []

    def meet(convolution: nn.Conv2d, inputs: tuple[Tensor, ...]) -> NoReturn:
        fits.append(inputs[0].shape[1] == convolution.in_channels)
        raise _Met

    def fitted(count: int) -> bool:
        fits.clear()
        _runs(backbone, count)
        return fits == [True]

    hooks = [convolution.register_forward_pre_hook(meet) for convolution in convolutions]
    try:
        return [count for count in counts if fitted(count)]
    finally:
        for hook in hooks:
            hook.remove()


def _runs(backbone: nn.Module, count: int) -> bool:
    """Does it take an image of so many channels?"""
    try:
        backbone(next(backbone.parameters()).new_zeros(1, count, 64, 64))
    except Exception:  # _Met, or whatever it does not like about the image
        return False
    return True


def _made_of(model: nn.Module, count: int) -> int | None:
    """How many channels the preprocessor makes of so many."""
    image = torch.zeros(count, 32, 32, dtype=torch.uint8)
    batch = dict(inputs=[image], data_samples=[BaseDataElement()])  # where mmseg writes how it padded
    try:
        return model.data_preprocessor(batch, False)['inputs'].shape[1]
    except Exception:  # whatever it does not like about them
        return None
