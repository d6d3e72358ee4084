"""The Semantic-FPN head with a chosen, pyramid-guided upsampling in its branches.

Paper: Panoptic Feature Pyramid Networks (CVPR 2019, arXiv 1901.02446).
Source: mmsegmentation's FPNHead, subclassed; the guidance is ours (the authors of FreqFusion
    change the neck only).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads import FPNHead
from mmseg.models.utils import Upsample, resize
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import CheckedLevels


@takes_fusion
class FusionSemanticFPNHead(KeptInit, CheckedLevels, FPNHead):
    """Semantic-FPN head, every x2 upsampling guided by the pyramid level of the target size.

    Convention:
        Only the fusion's upsampled output is used; the pyramid level is a guide. Interpolations
        double the size exactly, as in the stock head; the others go to the guide's size. The
        branches' last resizing, to the finest one, stays the stock head's (no change where every
        ratio is exactly 2). With `dict(type='bilinear')` it is `FPNHead`, same keys and numbers.
        `fusions[i]` holds the fusions of the i-th deepest branch, from deep to shallow.

    Args:
        feature_strides: strides of the levels; each power of 2 between the first and the last
            must be there.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: `in_channels, in_index` (lists, fine to coarse), `channels, num_classes` and the
            others of mmsegmentation's decode heads; unknown ones are refused.

    Raises:
        ValueError: levels or strides that do not fit.

    Example:
        >>> import torch
        >>> head = FusionSemanticFPNHead(
        ...     feature_strides=[4, 8], in_channels=[8, 8], in_index=[0, 1], channels=8,
        ...     num_classes=3, upsample_cfg=dict(type='bilinear'))
        >>> head([torch.zeros(1, 8, 9, 7), torch.zeros(1, 8, 5, 4)]).shape
        torch.Size([1, 3, 9, 7])
    """

    def __init__(
        self, *, feature_strides: Sequence[int], upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        strides = list(feature_strides)
        if strides != [strides[0] * 2**i for i in range(len(strides))]:
            raise ValueError(
                'FusionSemanticFPNHead: feature_strides double from level to level, so that every '
                f'upsampling has a guide; got {strides}. Use FPNHead for other strides'
            )
        in_channels = kwargs.get('in_channels')
        if isinstance(in_channels, (list, tuple)) and len(in_channels) != len(strides):
            raise ValueError(
                'FusionSemanticFPNHead: one of feature_strides for each of in_channels; got '
                f'feature_strides={strides} and in_channels={list(in_channels)}'
            )
        super().__init__(feature_strides=strides, **kwargs)
        offered = dict(align_corners=self.align_corners, norm_cfg=self.norm_cfg)
        self.fusions = nn.ModuleList(
            nn.ModuleList(
                build_fusion(upsample_cfg, self.channels, channels, keep_hr=False, **offered)
                for channels in self.in_channels[:level][::-1]
            )
            for level in reversed(range(1, len(strides)))
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        levels = self._transform_inputs(inputs)
        out = self.scale_heads[0](levels[0])  # [B, channels, H, W]
        for level in range(1, len(levels)):
            feat = levels[level]
            steps = iter(zip(self.fusions[-level], levels[:level][::-1]))
            for layer in self.scale_heads[level]:
                feat = _double(feat, *next(steps)) if isinstance(layer, Upsample) else layer(feat)
            out = out + resize(feat, size=out.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return self.cls_seg(out)


def _double(feat: Tensor, fusion: nn.Module, guide: Tensor) -> Tensor:
    size = [2 * side for side in feat.shape[2:]]
    if fusion.direct and list(guide.shape[2:]) != size:
        guide = resize(guide, size=size, mode='nearest')
    return fusion(feat, guide)[0]
