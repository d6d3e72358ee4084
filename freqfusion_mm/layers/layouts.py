"""Memory layouts in which torch's own operators are right, and fast, on a CPU."""

import torch
from torch import Tensor, nn

from ..ops.functorch import transforming
from .protocol import autocasting


def fastest_layout(x: Tensor) -> Tensor:
    """For maps of grouped convolutions on a CPU: channels last, which makes their backward passes faster above all."""
    if x.device.type != 'cpu' or transforming():
        return x
    return right_layout(x) if _in_bfloat16(x) else x.contiguous(memory_format=torch.channels_last)


def right_layout(x: Tensor) -> Tensor:
    """For maps and weights of grouped, dilated convolutions: contiguous where they are computed in bfloat16 on a CPU.

    In channels last, torch's gradient of such weights is NaN or off by powers of ten from a width of 31 on (seen with
    torch 2.13 and fewer than 16 input channels a group).
    """
    if x.device.type != 'cpu' or transforming() or not _in_bfloat16(x):
        return x
    if x.is_contiguous(memory_format=torch.channels_last):  # of one channel a group, too, whose strides may be either
        return x.clone(memory_format=torch.contiguous_format)
    return x.contiguous()


class GroupedConv2d(nn.Conv2d):
    """`nn.Conv2d` of groups and a dilation, in the `right_layout`."""

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(right_layout(x), right_layout(self.weight), self.bias)


def _in_bfloat16(x: Tensor) -> bool:
    """Whether a convolution of it is; under autocast, which takes bfloat16 on a CPU unless it is told otherwise."""
    return x.dtype == torch.bfloat16 or autocasting(x)
