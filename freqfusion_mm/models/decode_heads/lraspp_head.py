"""Lite R-ASPP with a chosen feature fusion.

Paper: Searching for MobileNetV3 (ICCV 2019, arXiv 1905.02244).
Source: mmsegmentation's LRASPPHead, subclassed; the fusions take the place of its interpolation.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import LRASPPHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import CheckedLevels


@takes_fusion
class FusionLRASPPHead(KeptInit, CheckedLevels, LRASPPHead):
    """LRASPP head whose steps up are fusions, each guided by the finer level.

    Convention:
        Each step concatenates the fusion's `lr_up` and the projected finer level. With `dict(type='bilinear')` it is
        `LRASPPHead`, same keys and numbers. `fusions` goes from deep to shallow.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: those of mmsegmentation's `LRASPPHead`. Its pooling wants a coarsest map of 49 pixels a side.

    Raises:
        ValueError: levels that do not fit.
    """

    def __init__(self, *, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(**kwargs)
        offered = dict(align_corners=self.align_corners, norm_cfg=self.norm_cfg)
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, self.channels, channels, **offered) for channels in self.in_channels[-2::-1]
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        *levels, feat = self._transform_inputs(inputs)
        gate = self.image_pool(feat)
        feat = self.aspp_conv(feat)
        gate = resize(gate, size=feat.shape[2:], mode='bilinear', align_corners=self.align_corners)
        feat = self.conv_up_input(feat * gate)
        steps = zip(self.fusions, reversed(self.convs), reversed(self.conv_ups), reversed(levels))
        for fusion, project, conv, level in steps:
            lr_up, level = fusion(feat, level)
            feat = conv(torch.cat([lr_up, project(level)], dim=1))
        return self.cls_seg(feat)
