"""FastFCN's Joint Pyramid Upsampling with a chosen feature fusion where its levels are resized and concatenated.

Paper: FastFCN: Rethinking Dilated Convolution in the Backbone for Semantic Segmentation (arXiv 1903.11816).
Source: mmsegmentation's JPU, subclassed; the fusions are those of FreqFusion's concatenating heads.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.necks import JPU
from torch import Tensor

from ..concat_fusions import build_concat_fusions, concat_fuse
from ..fusions import KeptInit, arguments, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionJPU(KeptInit, JPU):
    """JPU whose projected levels join by fusions.

    Convention:
        Interpolations go straight to the finest level, as in the stock neck; x2 fusions go from deep to shallow, see
        `concat_fuse`. With `dict(type='bilinear')` it is `JPU`, same keys and numbers.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: those of mmsegmentation's `JPU`.

    Raises:
        ValueError: maps of another number, shape, channels or batch.

    Example:
        >>> neck = FusionJPU(in_channels=(4, 8), mid_channels=8, dilations=(1, 2))
        >>> [tuple(out.shape) for out in neck([torch.rand(2, 4, 9, 7), torch.rand(2, 8, 5, 4)])]
        [(2, 4, 9, 7), (2, 16, 9, 7)]
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fusions = build_concat_fusions(
            upsample_cfg,
            [self.mid_channels] * len(self.conv_layers),
            align_corners=self.align_corners,
            norm_cfg=arguments(super().__init__, *args, **kwargs)['norm_cfg'],
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps, fine to coarse, to all but the last of those used, and their fusion at the finest one's size."""
        used = range(self.start_level, self.backbone_end_level)
        check_maps('FusionJPU', inputs, self.in_channels, used)
        levels = [conv(inputs[i]) for conv, i in zip(self.conv_layers, used)]
        feat = concat_fuse(self.fusions, levels)
        fused = torch.cat([layer(feat) for layer in self.dilation_layers], dim=1)
        return (*(inputs[i] for i in used[:-1]), fused)
