"""The pyramids and the gated skip of the ESPNetv2 decoders.

Source: sacmehta/EdgeNets (2b232d3, MIT) for `EfficientPyramidPool` and `GatedSkip`, sacmehta/ESPNetv2 (b78e323, MIT)
    for `DepthwisePyramidPool`; written anew.
"""

from collections.abc import Sequence
from math import ceil, gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..reference import ReferenceNames
from .conv_norm_act import ConvNormAct, NormAct


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear with aligned corners, as everywhere in the ESPNetv2 decoders."""
    return F.interpolate(x, tuple(size), mode='bilinear', align_corners=True)


def _scaled(length: int, scale: float) -> int:
    if isinstance(length, Tensor):  # while torch traces for ONNX; `ceil` would fix the size
        return (length.double() * scale).ceil().clamp(min=5).long()
    return max(5, ceil(length * scale))


class EfficientPyramidPool(ReferenceNames):
    """Depth-wise convolutions of one narrow map at several scales, shuffled together and expanded.

    Convention:
        Scale s works at `max(5, ceil(s * size))`: reached by bilinear interpolation (corners aligned) upwards and by
        adaptive average pooling downwards, and left the opposite way.

    Args:
        in_channels, out_channels: of the block.
        width: channels of the narrow map.
        scales: of the depth-wise convolutions.
        norm_act: end with BatchNorm and PReLU; without, the last convolution has a bias (the logits).

    Example:
        >>> EfficientPyramidPool(32, 16, width=8)(torch.rand(1, 32, 7, 12)).shape
        torch.Size([1, 16, 7, 12])
    """

    reference_keys = {
        'projection_layer': 'reduce',
        'merge_layer.0': 'norm_act',
        'merge_layer.2': 'merge',
        'merge_layer.3': 'expand',
        'br': 'out_norm_act',
    }

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        scales: Sequence[float] = (2.0, 1.5, 1.0, 0.5, 0.1),
        norm_act: bool = True,
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.reduce = ConvNormAct(in_channels, width)
        self.stages = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False) for _ in scales)
        self.norm_act = NormAct(width * len(self.scales))
        self.merge = ConvNormAct(width * len(self.scales), width, 3, groups=width)
        self.expand = nn.Conv2d(width, out_channels, 1, bias=not norm_act)
        self.out_norm_act = NormAct(out_channels) if norm_act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] -> [B, out_channels, H, W]."""
        x = self.reduce(x)
        scales = torch.stack([self._at_scale(x, scale, stage) for scale, stage in zip(self.scales, self.stages)], dim=1)
        mixed = self.norm_act(scales.flatten(1, 2))  # [B, S * width, H, W], scale by scale
        mixed = mixed.unflatten(1, scales.shape[1:3]).transpose(1, 2).flatten(1, 2)  # channel by channel
        return self.out_norm_act(self.expand(self.merge(mixed)))

    def _at_scale(self, x: Tensor, scale: float, stage: nn.Module) -> Tensor:
        full = x.shape[-2:]
        size = tuple(_scaled(length, scale) for length in full)
        if scale == 1:
            return stage(x)
        if scale < 1:
            return upsample(stage(F.adaptive_avg_pool2d(x, size)), full)
        return F.adaptive_avg_pool2d(stage(upsample(x, size)), full)


class GatedSkip(ReferenceNames):
    """A grouped 3x3 convolution whose channels are weighed by the mean of the input.

    Args:
        in_channels, out_channels: of the block; their greatest common divisor is the number of groups.

    Example:
        >>> GatedSkip(64, 48)(torch.rand(1, 64, 5, 6)).shape
        torch.Size([1, 48, 5, 6])
    """

    reference_keys = {'wt_layer.1': 'gate', 'expansion_layer': 'conv'}

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.conv = ConvNormAct(in_channels, out_channels, 3, groups=gcd(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid()


class DepthwisePyramidPool(ReferenceNames):
    """Depth-wise convolutions of a map that is halved again and again, upsampled, concatenated and projected.

    Args:
        in_channels, out_channels: of the block.
        num_levels: halvings by 3x3 average pooling.

    Example:
        >>> DepthwisePyramidPool(8, 4)(torch.rand(1, 8, 9, 5)).shape
        torch.Size([1, 4, 9, 5])
    """

    reference_keys = {**{f'stages.{i}.conv': f'stages.{i}' for i in range(8)}}

    def __init__(self, in_channels: int, out_channels: int, num_levels: int = 4) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False) for _ in range(num_levels)
        )
        self.project = ConvNormAct(in_channels * (num_levels + 1), out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] -> [B, out_channels, H, W]."""
        levels, pooled = [x], x
        for stage in self.stages:
            pooled = F.avg_pool2d(pooled, 3, stride=2, padding=1)
            levels.append(upsample(stage(pooled), x.shape[-2:]))
        return self.project(torch.cat(levels, dim=1))
