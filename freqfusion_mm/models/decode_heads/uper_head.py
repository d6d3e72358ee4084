"""UPerNet's head with a chosen feature fusion in its top-down path.

Paper: UPerNet (ECCV 2018, arXiv 1807.10221); FreqFusion (TPAMI 2024), UPerNet rows.
Source: mmsegmentation's UPerHead, subclassed. The authors of FreqFusion released no UPerNet head;
    the top-down additions are the ones that their FPN replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import UPerHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import CheckedLevels


@takes_fusion
class FusionUPerHead(KeptInit, CheckedLevels, UPerHead):
    """UPerNet head whose top-down additions are fusions.

    Convention:
        Each step adds the fusion's two outputs. The pyramid pooling and the resizing of the
        pyramid's outputs to the finest level stay the stock head's. With `dict(type='bilinear')`
        it is `UPerHead`, same keys and numbers. `fusions` holds the fusions from deep to shallow.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: `in_channels, in_index` (lists, fine to coarse), `channels, num_classes,
            pool_scales` and the others of mmsegmentation's decode heads; unknown ones are refused.

    Raises:
        ValueError: levels that do not fit.

    Example:
        >>> import torch
        >>> head = FusionUPerHead(
        ...     in_channels=[8, 16], in_index=[0, 1], channels=8, num_classes=3,
        ...     upsample_cfg=dict(type='bilinear'))
        >>> head([torch.zeros(1, 8, 9, 7), torch.zeros(1, 16, 5, 4)]).shape
        torch.Size([1, 3, 9, 7])
    """

    def __init__(self, *, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(**kwargs)
        offered = dict(align_corners=self.align_corners, norm_cfg=self.norm_cfg)
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, self.channels, self.channels, **offered) for _ in self.lateral_convs
        )

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        levels = self._transform_inputs(inputs)
        laterals = [conv(level) for conv, level in zip(self.lateral_convs, levels)]
        merged = [self.psp_forward(levels)]  # fine to coarse, each [B, channels, ., .]
        for fusion, lateral in zip(self.fusions, reversed(laterals)):
            lr_up, lateral = fusion(merged[0], lateral)
            merged.insert(0, lateral + lr_up)
        outs = [conv(feat) for conv, feat in zip(self.fpn_convs, merged)] + merged[-1:]
        size = outs[0].shape[2:]
        outs[1:] = [resize(out, size=size, mode='bilinear', align_corners=self.align_corners) for out in outs[1:]]
        return self.fpn_bottleneck(torch.cat(outs, dim=1))  # [B, channels, H, W]
