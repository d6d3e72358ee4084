"""The convolutional units that ESP is compared with: of ResNet, ResNeXt, Inception, MobileNet and ShuffleNet.

Source: the poster of ESPNet (ECCV 2018) names them and prints the parameters of ESPNet-C with each; it does not say how
    they are built. Each is the unit of its own paper; widths and groups, which that leaves open, are our reading, by
    the printed counts (M): ResNet 1.200 (ours 1.203), ResNeXt 0.424 (0.423), Inception 0.328 (0.325), MobileNet 0.233
    (0.233), ShuffleNet 0.181 (0.181).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def _conv(
    in_channels: int, out_channels: int, kernel_size: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    layers = [
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class _Residual(nn.Sequential):
    """Adds the input, then ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(super().forward(x) + x)


class Inception(nn.Module):
    """1x1, 3x3, 5x5 and pooling side by side, with the widths of GoogLeNet's first module (3a).

    Args:
        channels: of input and output, a multiple of 16.

    Example:
        >>> Inception(64)(torch.rand(1, 64, 5, 6)).shape
        torch.Size([1, 64, 5, 6])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % 16:
            raise ValueError(f'channels must be a multiple of 16, got {channels}')
        part = channels // 16
        self.branches = nn.ModuleList(
            [
                _conv(channels, 4 * part),
                nn.Sequential(_conv(channels, 6 * part), _conv(6 * part, 8 * part, 3)),
                nn.Sequential(_conv(channels, part), _conv(part, 2 * part, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv(channels, 2 * part)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def resnet_unit(channels: int) -> nn.Module:
    """The basic block: two 3x3 convolutions and the shortcut."""
    return _Residual(_conv(channels, channels, 3), _conv(channels, channels, 3, act=False))


def resnext_unit(channels: int, cardinality: int = 32, width: int = 6) -> nn.Module:
    """`cardinality` paths of 1x1, 3x3 and 1x1 with `width` channels, and the shortcut."""
    hidden = cardinality * width
    convs = _conv(channels, hidden), _conv(hidden, hidden, 3, cardinality), _conv(hidden, channels, act=False)
    return _Residual(*convs)


def mobilenet_unit(channels: int) -> nn.Module:
    """A depth-wise 3x3 convolution and a 1x1 one (MobileNet's first version)."""
    return nn.Sequential(_conv(channels, channels, 3, channels), _conv(channels, channels))


class _Shuffle(nn.Module):
    """`nn.ChannelShuffle`, which torch 2.1 does not differentiate on CPUs."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, feat: Tensor) -> Tensor:
        return feat.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


def shufflenet_unit(channels: int, groups: int = 8) -> nn.Module:
    """Grouped 1x1 to half the channels, shuffled, depth-wise 3x3, grouped 1x1, and the shortcut."""
    hidden = channels // 2
    return _Residual(
        _conv(channels, hidden, groups=groups),
        _Shuffle(groups),
        _conv(hidden, hidden, 3, hidden, act=False),
        _conv(hidden, channels, groups=groups, act=False),
    )


#: name -> unit of as many channels in as out.
UNITS: dict[str, Callable[[int], nn.Module]] = {
    'resnet': resnet_unit,
    'resnext': resnext_unit,
    'inception': Inception,
    'mobilenet': mobilenet_unit,
    'shufflenet': shufflenet_unit,
}
