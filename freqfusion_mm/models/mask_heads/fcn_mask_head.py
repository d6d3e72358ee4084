"""The mask heads of Mask R-CNN, HTC, SCNet and QueryInst, their last upsampling chosen.

Paper: Mask R-CNN (ICCV 2017); HTC (CVPR 2019); SCNet (AAAI 2021); Instances as Queries (ICCV 2021). CARAFE (ICCV 2019)
    has a table of upsamplers at this place.
Source: mmdet's FCNMaskHead and its subclasses, subclassed. What guides a guided layer here is ours: a region has no
    finer map.
"""

from collections.abc import MutableMapping
from typing import Any

from mmdet.models.roi_heads.mask_heads import DynamicMaskHead, FCNMaskHead, HTCMaskHead, SCNetMaskHead

from ...layers import build_fusion, read_upsample_cfg
from ...layers.option_checks import check_ratio
from ..fusions import keeps_deconv, takes_fusion
from ..self_guided import SelfGuided, SelfGuidedInside


class _FusionMask(SelfGuidedInside):
    """Mixin, to be named before the stock head: `upsample` becomes a chosen one.

    Convention:
        See `SelfGuided` for what guides. With `nearest`, `bilinear`, `carafe` or `deconv` it is the stock head, whose
        weights load; `dict(type='deconv')` leaves its layer in its place, with the ReLU after it.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        options = dict(upsample_cfg) if isinstance(upsample_cfg, dict) else dict(type=upsample_cfg)
        scale_factor = options.pop('scale_factor', None)
        scale_factor = 2 if scale_factor is None else scale_factor
        check_ratio(scale_factor)
        kept = keeps_deconv(type(self).__name__, options)
        stock = dict(type='deconv' if kept else 'nearest', scale_factor=scale_factor)
        super().__init__(*args, upsample_cfg=stock, **kwargs)
        if not kept:
            self.upsample_method = read_upsample_cfg(options)[0].__name__
            channels = self.conv_logits.in_channels
            fusion = build_fusion(options, channels, channels, keep_hr=False, norm_cfg=self.norm_cfg)
            self.upsample = SelfGuided(fusion, scale_factor)

    def _load_from_state_dict(self, state_dict: MutableMapping[str, Any], prefix: str, *args) -> None:
        start, ours = f'{prefix}upsample.', 'fusion.upsampler.'
        for key in [key for key in state_dict if key.startswith(start)]:
            name = key[len(start) :]
            if not isinstance(self.upsample, SelfGuided):  # weights that were saved when a deconv was ours
                name = name.removeprefix(f'{ours}deconv.')
            elif not name.startswith('fusion.'):  # the stock head's
                name = f'{ours}{name}'
            state_dict[f'{start}{name}'] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


@takes_fusion
class FusionFCNMaskHead(_FusionMask, FCNMaskHead):
    """Mask R-CNN's mask head with a chosen upsampling, `FreqFusion` by default.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`, see `layers.read_upsample_cfg`; `scale_factor`, 2 by
            default, is the ratio of the logits to the regions.
        args, kwargs: those of mmdet's `FCNMaskHead`.

    Raises:
        TypeError: an option that neither the head nor the upsampler knows.
        ValueError: a `scale_factor` that is no whole number of at least 2.

    Example:
        >>> import torch
        >>> head = FusionFCNMaskHead(num_convs=1, in_channels=8, conv_out_channels=8, num_classes=3)
        >>> head(torch.rand(2, 8, 14, 14)).shape
        torch.Size([2, 3, 28, 28])
    """


@takes_fusion
class FusionHTCMaskHead(_FusionMask, HTCMaskHead):
    """HTC's mask head with a chosen upsampling; arguments as `FusionFCNMaskHead`, those of mmdet's `HTCMaskHead`."""


@takes_fusion
class FusionSCNetMaskHead(_FusionMask, SCNetMaskHead):
    """SCNet's mask head with a chosen upsampling; arguments as `FusionFCNMaskHead`, and mmdet's `SCNetMaskHead`'s."""


@takes_fusion
class FusionDynamicMaskHead(_FusionMask, DynamicMaskHead):
    """QueryInst's mask head with a chosen upsampling; arguments as `FusionFCNMaskHead`, and `DynamicMaskHead`'s."""
