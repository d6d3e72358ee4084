"""PSANet's decode head with a chosen feature fusion where its attended map, of half the size, comes back up.

Paper: PSANet: Point-wise Spatial Attention Network for Scene Parsing (ECCV 2018).
Source: mmsegmentation's PSAHead, subclassed, its forward pass written anew; the fusion takes the place of its
    interpolation, which is bilinear.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import PSAHead
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...layers import build_fusion, read_upsample_cfg
from ..fusions import KeptInit, takes_fusion


@takes_fusion
class FusionPSAHead(KeptInit, PSAHead):
    """PSAHead whose attended map joins the head's input by a fusion, guided by that.

    Convention:
        The fusion's two outputs are concatenated. An interpolation has `align_corners` as the stock head has it: True
        where neither side is a multiple of `shrink_factor`, and the head's own where that is 1. The head's convolution
        pads the attended map by a pixel, so that the input must have four pixels a side. With `dict(type='bilinear')`
        it is `PSAHead`, same keys and numbers. `fusions` holds the one fusion, of an interpolation both forms.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: those of mmsegmentation's `PSAHead`.
    """

    def __init__(self, *, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(**kwargs)
        kind, _ = read_upsample_cfg(upsample_cfg)
        forms = (False, True) if 'align_corners' in getattr(kind, 'follows', ()) else (None,)
        width = self.in_channels
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, width, width, align_corners=aligned, norm_cfg=self.norm_cfg) for aligned in forms
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps of the backbone to logits [B, num_classes, H, W] of the size of the one that is read."""
        x = self._transform_inputs(inputs)
        shrinks = self.shrink_factor != 1
        aligned = all(side % self.shrink_factor for side in x.shape[2:]) if shrinks else self.align_corners
        if self.psa_type == 'bi-direction':
            collected = self._attend(self.reduce(x), aligned, self.attention, self.psamask_collect, False)
            spread = self._attend(self.reduce_p(x), aligned, self.attention_p, self.psamask_distribute, True)
            attended = torch.cat([collected, spread], dim=1)
        else:
            transposed = self.psa_type == 'collect'
            attended = self._attend(self.reduce(x), aligned, self.attention, self.psamask, transposed)
        fusion = self.fusions[aligned if len(self.fusions) > 1 else 0]
        lr_up, x = fusion(self.proj(attended), x)
        return self.cls_seg(self.bottleneck(torch.cat([x, lr_up], dim=1)))

    def _attend(self, feat: Tensor, aligned: bool, attention: nn.Module, spread: nn.Module, transposed: bool) -> Tensor:
        """One direction: [B, C, H, W] to the attended map, shrunk; `transposed` says how compact attention is read."""
        if self.shrink_factor != 1:
            rounded = self.shrink_factor - 1 if aligned else 0
            size = [(side + rounded) // self.shrink_factor for side in feat.shape[2:]]
            feat = interpolate(feat, size, mode='bilinear', align_corners=aligned)
        batch, _, height, width = feat.shape
        pixels = height * width
        weights = attention(feat)
        if not self.compact:
            weights = spread(weights)
        elif transposed:
            weights = weights.view(batch, pixels, pixels).transpose(1, 2).reshape(batch, pixels, height, width)
        if self.psa_softmax:
            weights = weights.softmax(dim=1)
        attended = torch.bmm(feat.flatten(2), weights.view(batch, pixels, pixels))
        return attended.view_as(feat) * (1.0 / self.normalization_factor)
