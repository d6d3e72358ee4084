"""The heads of Grid R-CNN and SCNet that upsample regions, with a chosen upsampling.

Paper: Grid R-CNN Plus (arXiv 1906.05688); SCNet (AAAI 2021).
Source: mmdet's GridHead and FeatureRelayHead, subclassed. A region has no finer map: what guides a guided layer is the
    map itself, see `SelfGuided`.
"""

from typing import Any

from mmdet.models.roi_heads.mask_heads import FeatureRelayHead, GridHead

from ...layers import build_fusion
from ..fusions import arguments, keeps_deconv, takes_fusion
from ..self_guided import SelfGuided, SelfGuidedInside


@takes_fusion
class FusionGridHead(SelfGuidedInside, GridHead):
    """GridHead with a chosen upsampling in place of its first transposed convolution; the second makes the heat maps.

    `dict(type='deconv')` leaves the stock layer in its place: it is `GridHead`, same keys and numbers.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `GridHead`.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not keeps_deconv(type(self).__name__, upsample_cfg):
            width = self.conv_out_channels
            norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
            self.deconv1 = SelfGuided(build_fusion(upsample_cfg, width, width, keep_hr=False, norm_cfg=norm_cfg))


@takes_fusion
class FusionFeatureRelayHead(SelfGuidedInside, FeatureRelayHead):
    """FeatureRelayHead with a chosen upsampling.

    An interpolation follows `align_corners=True`, as in the stock head. With `dict(type='bilinear')` it is
    `FeatureRelayHead`, same keys and numbers.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `FeatureRelayHead`.

    Example:
        >>> import torch
        >>> FusionFeatureRelayHead(8, 4)(torch.rand(2, 8)).shape
        torch.Size([2, 4, 14, 14])
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        width = self.out_conv_channels
        fusion = build_fusion(upsample_cfg, width, width, keep_hr=False, align_corners=True)
        self.upsample = SelfGuided(fusion, self.scale_factor)
