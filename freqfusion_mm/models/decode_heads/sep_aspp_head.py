"""DeepLabV3+'s decode head with a chosen feature fusion between the ASPP's map and the low-level map.

Paper: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018, arXiv 1802.02611.
Source: mmsegmentation's DepthwiseSeparableASPPHead, subclassed; the fusion takes the place of its interpolation.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPHead
from torch import Tensor, cat, nn

from ...layers import build_fusion
from ..fusions import takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionSepASPPHead(DepthwiseSeparableASPPHead):
    """DeepLabV3+ head: the ASPP's map is upsampled by `upsample_cfg`, guided by the projected low-level map.

    Convention:
        The fusion's two outputs are concatenated. With `dict(type='bilinear')` it is `DepthwiseSeparableASPPHead`, same
        keys and numbers. `fusions` holds the one fusion.

    Args:
        c1_in_channels, c1_channels: of the low-level map `inputs[0]`, and what it is projected to.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: `in_channels`, `in_index`, `channels`, `dilations`, `num_classes` and the others of mmsegmentation's
            head; unknown ones are refused.

    Raises:
        ValueError: no low-level map, whose size is the one to reach.

    Example:
        >>> import torch
        >>> head = FusionSepASPPHead(
        ...     in_channels=16, in_index=1, channels=8, num_classes=3, c1_in_channels=4, c1_channels=4).eval()
        >>> head([torch.zeros(1, 4, 9, 7), torch.zeros(1, 16, 3, 2)]).shape
        torch.Size([1, 3, 9, 7])
    """

    def __init__(
        self,
        *,
        c1_in_channels: int,
        c1_channels: int,
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        **kwargs,
    ) -> None:
        if c1_in_channels < 1:
            raise ValueError(
                f'FusionSepASPPHead: c1_in_channels must be that of the low-level map, got {c1_in_channels}; without '
                'one the head upsamples no features'
            )
        super().__init__(c1_in_channels=c1_in_channels, c1_channels=c1_channels, **kwargs)
        self.c1_in_channels = c1_in_channels
        offered = dict(align_corners=self.align_corners, norm_cfg=self.norm_cfg)
        self.fusions = nn.ModuleList([build_fusion(upsample_cfg, self.channels, c1_channels, **offered)])

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        check_maps('FusionSepASPPHead', inputs[:1], [self.c1_in_channels])
        feat, low = self.fusions[0](self._forward_feature(inputs), self.c1_bottleneck(inputs[0]))
        return self.cls_seg(self.sep_bottleneck(cat([feat, low], dim=1)))
