"""SETR's heads, progressive upsampling and multi-level aggregation, with a chosen upsampling.

Paper: Rethinking Semantic Segmentation from a Sequence-to-Sequence Perspective with Transformers (CVPR 2021).
Source: mmsegmentation's SETRUPHead and SETRMLAHead, subclassed. A plain transformer has no finer map: what guides a
    guided layer is the map itself, see `SelfGuided`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import SETRMLAHead, SETRUPHead
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..self_guided import SelfGuided


class _FusionSETR(KeptInit):
    """Mixin, to be named before the stock head: a chosen upsampling behind each of its blocks.

    Convention:
        With `dict(type='bilinear')` it is the stock head, same keys and numbers.
    """

    def __init__(
        self, *, up_scale: int = 4, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(up_scale=up_scale, **kwargs)
        offered = dict(keep_hr=False, align_corners=self.align_corners, norm_cfg=self.norm_cfg)
        self.fusions = nn.ModuleList()
        for block in self.up_convs:
            block[-1] = nn.Identity()
            width = block[-2].out_channels
            self.fusions.append(SelfGuided(build_fusion(upsample_cfg, width, width, **offered), up_scale))


@takes_fusion
class FusionSETRUPHead(_FusionSETR, SETRUPHead):
    """SETR-PUP's and SETR-Naive's head with a chosen upsampling.

    Args:
        up_scale: ratio of each upsampling.
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: the others of mmsegmentation's `SETRUPHead`.

    Example:
        >>> head = FusionSETRUPHead(in_channels=8, in_index=0, channels=8, num_classes=3, norm_cfg=dict(type='BN'))
        >>> head([torch.rand(2, 8, 5, 4)]).shape
        torch.Size([2, 3, 20, 16])
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        feat = self._transform_inputs(inputs)
        feat = self.norm(feat.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(feat.shape).contiguous()
        for block, upsample in zip(self.up_convs, self.fusions):
            feat = upsample(block(feat))
        return self.cls_seg(feat)


@takes_fusion
class FusionSETRMLAHead(_FusionSETR, SETRMLAHead):
    """SETR-MLA's head with a chosen upsampling; arguments as `FusionSETRUPHead`, those of `SETRMLAHead`."""

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        levels = self._transform_inputs(inputs)
        ups = [upsample(block(level)) for level, block, upsample in zip(levels, self.up_convs, self.fusions)]
        return self.cls_seg(torch.cat(ups, dim=1))
