"""SegFormer's all-MLP head with a chosen feature fusion in place of its interpolation.

Paper: SegFormer (NeurIPS 2021, arXiv 2105.15203); FreqFusion (TPAMI 2024), SegFormer rows.
Source: mmsegmentation's SegformerHead, subclassed. The authors of FreqFusion released no SegFormer
    head; an untested sketch of theirs and their answers to users say: as in the SegNeXt head,
    three modules, compress ratio 8, no Hamming window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads import SegformerHead
from torch import Tensor

from ..concat_fusions import build_concat_fusions, concat_fuse
from ..fusions import KeptInit, refuse_mode, takes_fusion
from ..levels import CheckedLevels


@takes_fusion
class FusionSegformerHead(KeptInit, CheckedLevels, SegformerHead):
    """SegFormer head, the projected levels fused by `upsample_cfg` and concatenated.

    Convention:
        Direct upsamplers, interpolations and ReSFU, go straight to the finest level, as in the stock
        head, `stagewise` or not; x2 fusions go from deep to shallow. With `dict(type='bilinear')` it
        is `SegformerHead`, same keys and numbers. `fusions` holds the fusions from deep to shallow.
        `stagewise`, every level is upsampled apart, one level a step: six upsamplers for four
        levels, the wiring of the SegFormer tables of FADE, SAPA and DySample.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        stagewise: see above; off, three fusions concatenate on their way, as FreqFusion does.
        kwargs: `in_channels, in_index` (lists, fine to coarse), `channels, num_classes` and the
            others of mmsegmentation's decode heads; unknown ones are refused.

    Raises:
        ValueError: levels that do not fit; `interpolate_mode`, which `upsample_cfg` replaces.

    Example:
        >>> import torch
        >>> head = FusionSegformerHead(
        ...     in_channels=[8, 16], in_index=[0, 1], channels=8, num_classes=3,
        ...     upsample_cfg=dict(type='bilinear'))
        >>> head([torch.zeros(1, 8, 9, 7), torch.zeros(1, 16, 5, 4)]).shape
        torch.Size([1, 3, 9, 7])
    """

    def __init__(
        self, *, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', stagewise: bool = False, **kwargs
    ) -> None:
        refuse_mode('FusionSegformerHead', 'interpolate_mode', kwargs)
        super().__init__(**kwargs)
        self.stagewise = stagewise
        self.fusions = build_concat_fusions(
            upsample_cfg,
            [self.channels] * len(self.in_channels),
            stagewise,
            align_corners=self.align_corners,
            norm_cfg=self.norm_cfg,
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        levels = self._transform_inputs(inputs)
        levels = [conv(level) for conv, level in zip(self.convs, levels)]  # [B, channels, ., .]
        feat = concat_fuse(self.fusions, levels, self.stagewise)
        feat = self.fusion_conv(feat)  # [B, channels, H, W]
        return self.cls_seg(feat)
