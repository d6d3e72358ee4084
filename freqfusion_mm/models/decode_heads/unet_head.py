"""A U-Net decoder as a decode head, with a chosen feature fusion at every skip.

Paper: U-Net (MICCAI 2015, arXiv 1505.04597).
Source: mmsegmentation's UpConvBlock and BasicConvBlock (the decoder inside its UNet backbone) are
    used as they are; here they make a head, so that they serve any backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.backbones.unet import BasicConvBlock
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import UpConvBlock
from torch import Tensor, nn

from ...layers import ReferenceNames, build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import CheckedLevels


@takes_fusion
class FusionUNetHead(ReferenceNames, KeptInit, CheckedLevels, BaseDecodeHead):
    """U-Net decoder: upsample, 1x1 conv to the skip's width, concatenate the skip, convolve.

    Convention:
        From deep to shallow, level by level. The fusion sees the deep feature and the skip; the
        skip that it returns is the one that is concatenated (in front). With
        `dict(type='bilinear')` it is the decoder of mmsegmentation's `UNet` with `InterpConv`,
        whose `decoder.*` weights load as they are, and any size works. `fusions` holds the fusions
        from deep to shallow; `decoder[i]` makes level i, as in `UNet`.

    Args:
        channels: width of the finest level's output, which the classifier reads.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        num_convs: 3x3 convolutions after each concatenation.
        kwargs: `in_channels, in_index` (lists, fine to coarse), `num_classes, norm_cfg` and the
            others of mmsegmentation's decode heads; unknown ones are refused.

    Raises:
        ValueError: levels that do not fit, or `num_convs` below 1.

    Example:
        >>> import torch
        >>> head = FusionUNetHead(
        ...     in_channels=[8, 16], in_index=[0, 1], channels=8, num_classes=3,
        ...     norm_cfg=dict(type='BN'), upsample_cfg=dict(type='bilinear'))
        >>> head([torch.zeros(2, 8, 9, 7), torch.zeros(2, 16, 5, 4)]).shape
        torch.Size([2, 3, 9, 7])
    """

    def __init__(
        self, *, channels: int, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', num_convs: int = 2, **kwargs
    ) -> None:
        if num_convs < 1:
            raise ValueError(f'FusionUNetHead: num_convs is 1 or more, got {num_convs}')
        super().__init__(channels=channels, input_transform='multiple_select', **kwargs)
        widths = [channels, *self.in_channels[1:]]
        pairs = list(zip(self.in_channels, widths[1:]))  # (skip, deep), fine to coarse
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, deep, skip, align_corners=self.align_corners, norm_cfg=self.norm_cfg)
            for skip, deep in reversed(pairs)
        )
        self.decoder = nn.ModuleList(
            UpConvBlock(
                conv_block=BasicConvBlock,
                in_channels=deep,
                skip_channels=skip,
                out_channels=out,
                num_convs=num_convs,
                conv_cfg=self.conv_cfg,
                norm_cfg=self.norm_cfg,
                act_cfg=self.act_cfg,
                upsample_cfg=None,
            )
            for (skip, deep), out in zip(pairs, widths)
        )
        self.reference_keys = {  # mmsegmentation's UNet keeps the 1x1 conv in its interpolation
            f'decoder.{i}.upsample.interp_upsample.1': f'decoder.{i}.upsample' for i in range(len(pairs))
        }

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        levels = self._transform_inputs(inputs)
        feat = levels[-1]
        steps = zip(self.fusions, reversed(self.decoder), levels[-2::-1])
        for fusion, block, skip in steps:
            lr_up, skip = fusion(feat, skip)
            feat = block(skip, lr_up)  # [B, width of the level, H_i, W_i]
        return self.cls_seg(feat)
