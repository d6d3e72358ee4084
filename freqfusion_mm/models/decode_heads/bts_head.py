"""BTS: monocular depth by local planar guidance, with a chosen feature fusion.

Paper: From Big to Small: Multi-Scale Local Planar Guidance for Monocular Depth Estimation, arXiv 1907.10326.
Source: written anew from the paper; widths, order and the chain of dilated convolutions as read in cleinc/bts
    (094fe24). Ours takes any image size, and the four steps up that have a map of the encoder beside them are fusions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from ...layers import build_fusion
from ...layers.planar_guidance import PlanarGuidance, reduction
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps
from .depth_head import DepthLosses

DILATIONS = (3, 6, 12, 18, 24)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1.1e-5, momentum=0.01)


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.ELU())


class _DenseDilated(nn.Module):
    """Dilated convolutions, each of which sees what all before it gave."""

    def __init__(self, in_channels: int, context_channels: int, channels: int) -> None:
        super().__init__()
        seen = [in_channels, *(context_channels + i * channels for i in range(1, len(DILATIONS)))]
        self.branches = nn.ModuleList(
            nn.Sequential(
                *([_norm(width)] if i else []),
                nn.ReLU(),
                nn.Conv2d(width, 2 * channels, 1, bias=False),
                nn.BatchNorm2d(2 * channels, momentum=0.01),
                nn.ReLU(),
                nn.Conv2d(2 * channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            )
            for i, (width, dilation) in enumerate(zip(seen, DILATIONS))
        )
        self.merge = _conv(in_channels + len(DILATIONS) * channels, channels)

    def forward(self, feat: Tensor, context: Tensor) -> Tensor:
        outs = [self.branches[0](feat)]
        for branch in self.branches[1:]:
            outs.append(branch(torch.cat([context, *outs], dim=1)))
        return self.merge(torch.cat([feat, *outs], dim=1))


@takes_fusion
class FusionBTSHead(DepthLosses, KeptInit, BaseDecodeHead):
    """The decoder of BTS, for mmsegmentation's DepthEstimator and a backbone at strides 2, 4, 8, 16 and 32.

    Convention:
        The last step, from stride 2 to the image, has no encoder map and is nearest neighbour, as released. Where a
        size is odd, the planes of the last row and column reach beyond the map and are cut off. `fusions` goes from
        deep to shallow.

    Args:
        in_channels: of the five maps, fine to coarse.
        channels: of the first step; later ones have a half, a quarter and an eighth.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        max_depth: largest depth, in the unit of the annotation (metres in NYU).
        loss_decode: config, or list of configs, of losses of (prediction, target), such as `SiLogLoss`.
        in_index: of the maps in what the backbone returns.
        align_corners: of the resizing to the annotation.

    Raises:
        ValueError: other than five maps, `channels` that is no multiple of 256, a `max_depth` that is not positive.

    Example:
        >>> head = FusionBTSHead(in_channels=[8, 8, 16, 32, 64], channels=256)
        >>> sizes = [(33, 24), (17, 12), (9, 6), (5, 3), (3, 2)]
        >>> head([torch.rand(2, c, *size) for c, size in zip(head.in_channels, sizes)]).shape
        torch.Size([2, 1, 66, 48])
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        channels: int = 512,
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        max_depth: float = 10.0,
        loss_decode: dict[str, Any] | Sequence[dict[str, Any]] = dict(type='SiLogLoss'),
        in_index: Sequence[int] = (0, 1, 2, 3, 4),
        align_corners: bool = False,
    ) -> None:
        if len(in_channels) != 5 or channels % 256 or max_depth <= 0:
            raise ValueError(
                'FusionBTSHead wants five in_channels, channels that are a multiple of 256, and a positive max_depth; '
                f'got {in_channels}, {channels}, {max_depth}'
            )
        super().__init__(
            in_channels=list(in_channels),
            channels=channels,
            num_classes=1,
            threshold=0.5,
            dropout_ratio=0,
            in_index=list(in_index),
            input_transform='multiple_select',
            align_corners=align_corners,
            loss_decode=loss_decode,
            init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'),
        )
        self.conv_seg = None  # the base's classifier; depth has a convolution of its own
        self.max_depth = max_depth
        stem, fine, middle, coarse, deep = in_channels
        half, quarter, eighth, last = (channels // n for n in (2, 4, 8, 16))
        steps = ((deep, coarse, channels), (channels, middle, half), (quarter, fine, quarter), (quarter, stem, eighth))
        self.fusions = nn.ModuleList(build_fusion(upsample_cfg, before, skip) for before, skip, _ in steps)
        self.ups = nn.ModuleList(nn.Sequential(_conv(before, after), _norm(after)) for before, _, after in steps)
        self.merge16 = _conv(channels + coarse, channels)
        self.merge8 = nn.Sequential(_conv(half + middle, half), _norm(half))
        self.dilated = _DenseDilated(half, half + middle, quarter)
        self.planes8 = PlanarGuidance(quarter, quarter, 8, max_depth)
        self.merge4 = _conv(quarter + fine + 1, quarter)
        self.planes4 = PlanarGuidance(quarter, eighth, 4, max_depth)
        self.merge2 = _conv(eighth + stem + 1, eighth)
        self.planes2 = PlanarGuidance(eighth, last, 2, max_depth)
        self.up1 = _conv(eighth, last)
        self.reduce1 = reduction(last, last // 2, 1)
        self.merge1 = _conv(last + 4, last)
        self.depth = nn.Conv2d(last, 1, 3, padding=1, bias=False)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps of the backbone -> depth [B, 1, H, W] at twice the size of the finest."""
        maps = self._transform_inputs(inputs)
        check_maps('FusionBTSHead', maps, self.in_channels)
        stem, fine, middle, coarse, deep = maps
        size = tuple(2 * length for length in stem.shape[-2:])
        feat = self.merge16(self._up(0, F.relu(deep), coarse))
        context = self._up(1, feat, middle)
        feat = self.dilated(self.merge8(context), context)
        depth8 = self._planes(self.planes8, feat, size)
        feat = self.merge4(torch.cat([self._up(2, feat, fine), _shrunk(depth8, fine)], dim=1))
        depth4 = self._planes(self.planes4, feat, size)
        feat = self.merge2(torch.cat([self._up(3, feat, stem), _shrunk(depth4, stem)], dim=1))
        depth2 = self._planes(self.planes2, feat, size)
        feat = self.up1(F.interpolate(feat, size))
        feat = self.merge1(torch.cat([feat, self.reduce1(feat).sigmoid(), depth2, depth4, depth8], dim=1))
        return self.max_depth * self.depth(feat).sigmoid()

    def _up(self, step: int, feat: Tensor, skip: Tensor) -> Tensor:
        """Up to the encoder's map, convolved and concatenated with it."""
        up, skip = self.fusions[step](feat, skip)
        return torch.cat([self.ups[step](up), skip], dim=1)

    def _planes(self, guidance: PlanarGuidance, feat: Tensor, size: tuple[int, int]) -> Tensor:
        """Depth of the planes as a part of the largest one, cut to the image."""
        return guidance(feat)[..., : size[0], : size[1]] / self.max_depth


def _shrunk(depth: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(depth, like.shape[-2:])
