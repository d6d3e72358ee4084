"""SegNeXt's light Hamburger head with a chosen feature fusion in place of its interpolation.

Paper: SegNeXt (NeurIPS 2022, arXiv 2209.08575); FreqFusion (TPAMI 2024), SegNeXt rows.
Source: mmsegmentation's LightHamHead, subclassed; the insertion as read in Linwei-Chen/FreqFusion,
    SegNeXt/mmseg/models/decode_heads/ham_head.py (no licence; written anew).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads import LightHamHead
from torch import Tensor

from ...layers import ReferenceNames
from ..concat_fusions import build_concat_fusions, concat_fuse
from ..fusions import KeptInit, takes_fusion
from ..levels import CheckedLevels


@takes_fusion
class FusionHamHead(ReferenceNames, KeptInit, CheckedLevels, LightHamHead):
    """SegNeXt head, the levels fused by `upsample_cfg`, concatenated and squeezed.

    Convention:
        Interpolations go straight to the finest level, as in the stock head; x2 fusions go from
        deep to shallow on the unprojected levels, the low-resolution input growing by
        concatenation. With `dict(type='bilinear')` it is `LightHamHead`, same keys and numbers.
        `fusions` holds the fusions from deep to shallow. State dicts of the authors'
        `LightHamHeadFreqAware` load as they are.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`. The published
            SegNeXt rows use `compress_ratio=4, hamming_window=False, resample_groups=4`.
        kwargs: `in_channels, in_index` (lists, fine to coarse), `channels, num_classes,
            ham_channels, ham_kwargs` and the others of mmsegmentation's decode heads; unknown
            ones are refused.

    Raises:
        ValueError: levels that do not fit.

    Example:
        >>> import torch
        >>> head = FusionHamHead(
        ...     in_channels=[8, 16], in_index=[0, 1], channels=8, ham_channels=8, num_classes=3,
        ...     ham_kwargs=dict(MD_R=4), upsample_cfg=dict(type='bilinear'))
        >>> head([torch.zeros(1, 8, 9, 7), torch.zeros(1, 16, 5, 4)]).shape
        torch.Size([1, 3, 9, 7])
    """

    reference_keys = {'freqfusions': 'fusions'}  # what is inside one, it renames by itself

    def __init__(self, *, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(**kwargs)
        self.fusions = build_concat_fusions(
            upsample_cfg, self.in_channels, align_corners=self.align_corners, norm_cfg=self.norm_cfg
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        levels = self._transform_inputs(inputs)
        feat = self.squeeze(concat_fuse(self.fusions, levels))  # [B, ham_channels, H, W]
        feat = self.align(self.hamburger(feat))  # [B, channels, H, W]
        return self.cls_seg(feat)
