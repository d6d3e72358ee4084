"""ICNet's cascade with a chosen feature fusion.

Paper: ICNet for Real-Time Semantic Segmentation on High-Resolution Images (ECCV 2018, arXiv 1704.08545).
Source: mmsegmentation's ICNeck, subclassed; the fusion takes the place of its interpolation.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.necks import ICNeck
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionICNeck(KeptInit, ICNeck):
    """ICNeck whose two cascade steps upsample by fusions.

    Convention:
        A step's dilated and its 1x1 convolution get the fusion's two outputs. With `dict(type='bilinear')` it is
        `ICNeck`, same keys and numbers. `fusions` goes from deep to shallow.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmsegmentation's `ICNeck`.

    Raises:
        ValueError: maps of another number, shape, channels or batch.

    Example:
        >>> import torch
        >>> neck = FusionICNeck(in_channels=(4, 8, 8), out_channels=8)
        >>> outs = neck([torch.rand(2, 4, 17, 15), torch.rand(2, 8, 9, 8), torch.rand(2, 8, 5, 4)])
        >>> [tuple(out.shape[2:]) for out in outs]
        [(9, 8), (17, 15), (17, 15)]
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        fine, middle, coarse = self.in_channels
        offered = dict(align_corners=self.align_corners, norm_cfg=self.norm_cfg)
        pairs = (coarse, middle), (self.out_channels, fine)
        self.fusions = nn.ModuleList(build_fusion(upsample_cfg, lr, hr, **offered) for lr, hr in pairs)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Three maps, fine to coarse, to those of the two auxiliary heads and of the decode head."""
        check_maps('FusionICNeck', inputs, self.in_channels)
        fine, middle, coarse = inputs
        # the stock steps resize what already has the size
        feat, aux_coarse = self.cff_24(*self.fusions[0](coarse, middle))
        feat, aux_fine = self.cff_12(*self.fusions[1](feat, fine))
        return aux_coarse, aux_fine, feat
