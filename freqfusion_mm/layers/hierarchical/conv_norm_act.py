"""Convolution, batch normalisation and PReLU as the ESPNet family writes them, under one set of names."""

import torch.nn as nn
from torch import Tensor

from ..reference import ReferenceNames


class NormAct(ReferenceNames):
    """BatchNorm and a PReLU of one slope per channel.

    Args:
        channels: of input and output.
        eps: of the BatchNorm.
    """

    reference_keys = {'bn': 'norm', 'br.0': 'norm', 'br.1': 'act', '0': 'norm', '1': 'act'}

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(x))


class ConvNormAct(ReferenceNames):
    """A convolution without bias that keeps the size (up to its stride), BatchNorm and, if wanted, PReLU.

    Args:
        in_channels, out_channels: of the convolution.
        kernel_size: odd.
        stride, groups, dilation: of the convolution; padding keeps the kernel centred.
        act: end with PReLU.
        eps: of the BatchNorm.
    """

    reference_keys = {'bn': 'norm', 'cbr.0': 'conv', 'cbr.1': 'norm', 'cbr.2': 'act'}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        act: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            (kernel_size - 1) // 2 * dilation,
            dilation,
            groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=eps)
        self.act = nn.PReLU(out_channels) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))
