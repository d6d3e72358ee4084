"""Local planar guidance: every coarse pixel predicts a plane, which gives the depth of the fine pixels in it.

Paper: From Big to Small: Multi-Scale Local Planar Guidance for Monocular Depth Estimation (BTS), arXiv 1907.10326.
Source: written anew; the settings as read in cleinc/bts (094fe24).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def planar_depth(planes: Tensor, ratio: int) -> Tensor:
    """Depth along the rays of `ratio` x `ratio` fine pixels in every coarse one.

    Convention:
        Fine pixel i of a coarse pixel lies at `(i - (ratio - 1) / 2) / ratio`, between -1/2 and 1/2. A plane with unit
        normal n at distance d has the depth `d / (n1 * u + n2 * v + n3)` at column u and row v. A plane that faces the
        camera, n = (0, 0, 1), is nearest-neighbour upsampling of d.

    Args:
        planes: [B, 4, h, w]: the normal and the distance.
        ratio: fine pixels of a coarse one along a side.

    Returns:
        [B, 1, ratio * h, ratio * w].

    Raises:
        ValueError: other than four channels.

    Example:
        >>> planes = torch.tensor([0.0, 0.0, 1.0, 7.0]).view(1, 4, 1, 1)
        >>> planar_depth(planes, 2)
        tensor([[[[7., 7.],
                  [7., 7.]]]])
    """
    if planes.dim() != 4 or planes.shape[1] != 4:
        raise ValueError(f'planes must be [B, 4, h, w], a normal and a distance, got {tuple(planes.shape)}')
    height, width = planes.shape[-2:]
    offsets = (torch.arange(ratio, device=planes.device, dtype=planes.dtype) - (ratio - 1) / 2) / ratio
    u, v = offsets.repeat(width), offsets.repeat(height)[:, None]
    n1, n2, n3, distance = planes.repeat_interleave(ratio, -2).repeat_interleave(ratio, -1).unbind(1)
    return (distance / (n1 * u + n2 * v + n3)).unsqueeze(1)


class PlanarGuidance(nn.Module):
    """A chain of 1x1 convolutions that halves the channels down to a plane, and the depth that it gives.

    Convention:
        The normal's polar angle is below 60 degrees, so that the depth is positive up to a ratio of 5. At larger ones,
        as in the original, the steepest planes pass the camera within a corner pixel, whose depth has no bound.

    Args:
        in_channels: of the map.
        channels: behind the first convolution: 8 or more.
        ratio: see `planar_depth`.
        max_depth: largest distance of a plane.

    Example:
        >>> depth = PlanarGuidance(32, 16, ratio=4, max_depth=10.0)(torch.randn(1, 32, 3, 5))
        >>> depth.shape, bool((depth > 0).all())
        (torch.Size([1, 1, 12, 20]), True)
    """

    def __init__(self, in_channels: int, channels: int, ratio: int, max_depth: float) -> None:
        super().__init__()
        self.ratio = ratio
        self.max_depth = max_depth
        self.reduce = reduction(in_channels, channels, 3)

    def forward(self, feat: Tensor) -> Tensor:
        """[B, in_channels, h, w] -> depth [B, 1, ratio * h, ratio * w]."""
        polar, azimuth, distance = self.reduce(feat).sigmoid().split(1, dim=1)
        polar, azimuth = polar * (math.pi / 3), azimuth * (2 * math.pi)
        normal = torch.cat([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], dim=1)
        return planar_depth(torch.cat([F.normalize(normal), distance * self.max_depth], dim=1), self.ratio)


def reduction(in_channels: int, channels: int, out_channels: int) -> nn.Sequential:
    """1x1 convolutions with ELU to `channels`, half of them and so on down to 8, then one to `out_channels`.

    Example:
        >>> [layer.out_channels for layer in reduction(64, 32, 3) if isinstance(layer, nn.Conv2d)]
        [32, 16, 8, 3]
    """
    if channels < 8:
        raise ValueError(f'channels must be 8 or more, got {channels}')
    layers: list[nn.Module] = []
    while channels >= 8:
        layers += [nn.Conv2d(in_channels, channels, 1, bias=False), nn.ELU()]
        in_channels, channels = channels, channels // 2
    return nn.Sequential(*layers, nn.Conv2d(in_channels, out_channels, 1, bias=False))
