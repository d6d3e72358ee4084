"""Dynamic Head with a chosen feature fusion from each level to the next finer one.

Paper: Dynamic Head: Unifying Object Detection Heads with Attentions (CVPR 2021, arXiv 2106.08322).
Source: mmdet's DyHead, subclassed; the fusion takes the place of its interpolation.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models.necks import DyHead
from torch import Tensor, nn

from ...layers import Fusion, build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionDyHead(KeptInit, DyHead):
    """DyHead whose blocks bring the coarser level up by a fusion, one a block, as its levels share their weights.

    Convention:
        The fusion is guided by the level as the block gets it, and of what it returns only the upsampled map is used.
        An interpolation follows `align_corners=True`, as the stock blocks do. With `dict(type='bilinear')` it is
        `DyHead`, same keys and numbers.

    Args:
        in_channels: of every level.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `DyHead`, from `out_channels` on.

    Raises:
        ValueError: maps of another shape, channels or batch.
    """

    def __init__(
        self, in_channels: int, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(in_channels, *args, **kwargs)
        widths = [self.in_channels, *[self.out_channels] * (self.num_blocks - 1)]
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, self.out_channels, width, keep_hr=False, align_corners=True) for width in widths
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps [B, in_channels, H_i, W_i], fine to coarse, to as many [B, out_channels, H_i, W_i]."""
        check_maps(type(self).__name__, inputs, [self.in_channels] * len(inputs))
        for block, fusion in zip(self.dyhead_blocks, self.fusions):
            inputs = _block(block, fusion, inputs)
        return tuple(inputs)


def _block(block: nn.Module, fusion: Fusion, levels: Sequence[Tensor]) -> list[Tensor]:
    """A stock `DyHeadBlock` with a fusion."""
    outs = []
    for i, level in enumerate(levels):
        offset_and_mask = block.spatial_conv_offset(level)
        offset = offset_and_mask[:, : block.offset_dim]
        mask = offset_and_mask[:, block.offset_dim :].sigmoid()
        feats = [block.spatial_conv_mid(level, offset, mask)]
        if i > 0:
            feats.append(block.spatial_conv_low(levels[i - 1], offset, mask))
        if i < len(levels) - 1:
            feats.append(fusion(block.spatial_conv_high(levels[i + 1], offset, mask), level)[0])
        weighted = [feat * block.scale_attn_module(feat) for feat in feats]
        outs.append(block.task_attn_module(sum(weighted[1:], start=weighted[0]) / len(weighted)))
    return outs
