"""The path aggregation necks of YOLOX and RTMDet, their top-down path upsampled by a chosen fusion.

Paper: Path Aggregation Network for Instance Segmentation (CVPR 2018); YOLOX (arXiv 2107.08430); RTMDet (arXiv
2212.07784).
Source: mmdet's YOLOXPAFPN and CSPNeXtPAFPN, subclassed; the fusion takes the place of their `nn.Upsample`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.necks import YOLOXPAFPN, CSPNeXtPAFPN
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, takes_fusion
from ..levels import check_maps


class _FusionTopDown(KeptInit):
    """Mixin, to be named before the stock neck: its top-down path joins the levels by fusions.

    Convention:
        Each step concatenates what the fusion returns, `lr_up` before the finer map, as the stock neck does. `fusions`
        holds one fusion a step, deep to shallow. Sizes are free: a fusion answers at the size of the finer map.
        With `dict(type='nearest')`, or the stock neck's own `dict(scale_factor=2, mode='nearest')`, the result is the
        stock neck's, same keys and numbers.
    """

    def __init__(
        self, in_channels: Sequence[int], *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(in_channels, *args, **kwargs)
        del self.upsample
        norm_cfg = arguments(super().__init__, in_channels, *args, **kwargs)['norm_cfg']
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, channels, channels, norm_cfg=norm_cfg) for channels in reversed(in_channels[:-1])
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Fuse a pyramid.

        Args:
            inputs: one map [B, in_channels[i], H_i, W_i] per level, finest first.

        Returns:
            As many maps [B, out_channels, H_i, W_i].

        Raises:
            ValueError: maps of another number, shape, channels or batch.
        """
        check_maps(type(self).__name__, inputs, self.in_channels)
        merged = [inputs[-1]]  # fine to coarse
        steps = zip(self.fusions, self.reduce_layers, self.top_down_blocks, inputs[-2::-1])
        for fusion, reduce, block, fine in steps:
            merged[0] = reduce(merged[0])
            lr_up, fine = fusion(merged[0], fine)
            merged.insert(0, block(torch.cat([lr_up, fine], dim=1)))
        outs = [merged[0]]
        for downsample, block, coarse in zip(self.downsamples, self.bottom_up_blocks, merged[1:]):
            outs.append(block(torch.cat([downsample(outs[-1]), coarse], dim=1)))
        return tuple(conv(out) for conv, out in zip(self.out_convs, outs))


@takes_fusion
class FusionYOLOXPAFPN(_FusionTopDown, YOLOXPAFPN):
    """YOLOX's neck with a chosen fusion.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `YOLOXPAFPN`, from `in_channels` on.

    Example:
        >>> neck = FusionYOLOXPAFPN([8, 16, 32], 8, num_csp_blocks=1, upsample_cfg=dict(type='nearest'))
        >>> maps = [torch.rand(1, c, s, s) for c, s in ((8, 27), (16, 14), (32, 7))]
        >>> [tuple(out.shape) for out in neck(maps)]
        [(1, 8, 27, 27), (1, 8, 14, 14), (1, 8, 7, 7)]
    """


@takes_fusion
class FusionCSPNeXtPAFPN(_FusionTopDown, CSPNeXtPAFPN):
    """RTMDet's neck with a chosen fusion; arguments as `FusionYOLOXPAFPN`, those of mmdet's `CSPNeXtPAFPN`."""
