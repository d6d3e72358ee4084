"""CenterNet's neck behind a ResNet with a chosen upsampling.

Paper: Objects as Points (arXiv 1904.07850).
Source: mmdet's CTResNetNeck, subclassed. It reads the coarsest map alone: what guides a guided layer is the map itself,
    see `SelfGuided`.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models.necks import CTResNetNeck
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, keeps_deconv, takes_fusion
from ..levels import check_maps
from ..self_guided import SelfGuided


@takes_fusion
class FusionCTResNetNeck(KeptInit, CTResNetNeck):
    """CTResNetNeck with a chosen upsampling in place of its transposed convolutions.

    Convention:
        The norm and activation behind each stay. `dict(type='deconv')` leaves the stock layers in their place: it is
        `CTResNetNeck`, same keys and numbers.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `CTResNetNeck`.

    Raises:
        TypeError: options of a 'deconv', which the stock layers do not take.
        ValueError: a coarsest map of other channels.

    Example:
        >>> import torch
        >>> neck = FusionCTResNetNeck(16, (8, 8), (4, 4), use_dcn=False)
        >>> neck([torch.rand(1, 16, 5, 4)])[0].shape
        torch.Size([1, 8, 20, 16])
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fusions = nn.ModuleList()
        if keeps_deconv(type(self).__name__, upsample_cfg):
            return
        for block in self.deconv_layers[1::2]:
            width, block.conv = block.conv.in_channels, nn.Identity()
            self.fusions.append(SelfGuided(build_fusion(upsample_cfg, width, width, keep_hr=False)))

    def forward(self, x: Sequence[Tensor]) -> tuple[Tensor]:
        """The coarsest map [B, in_channels, h, w], the last of `x`, to one of 2^stages times its size."""
        check_maps(type(self).__name__, x[-1:], [self.deconv_layers[0].in_channels])
        if not self.fusions:
            return super().forward(x)
        feat = x[-1]
        for conv, fusion, block in zip(self.deconv_layers[::2], self.fusions, self.deconv_layers[1::2]):
            feat = block(fusion(conv(feat)))
        return (feat,)
