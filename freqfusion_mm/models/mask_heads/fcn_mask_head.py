"""The mask heads of Mask R-CNN, HTC, SCNet and QueryInst, their last upsampling chosen.

Paper: Mask R-CNN (ICCV 2017); HTC (CVPR 2019); SCNet (AAAI 2021); Instances as Queries (ICCV 2021). CARAFE (ICCV 2019)
    has a table of upsamplers at this place.
Source: mmdet's FCNMaskHead and its subclasses, subclassed. What guides a guided layer here is ours: a region has no
    finer map.
"""

from collections.abc import MutableMapping
from typing import Any

from mmdet.models.roi_heads.mask_heads import DynamicMaskHead, FCNMaskHead, HTCMaskHead, SCNetMaskHead

from ...layers import Deconv, build_fusion, read_upsample_cfg
from ..fusions import KeptInit, takes_fusion
from ..self_guided import SelfGuided


class _FusionMask(KeptInit):
    """Mixin, to be named before the stock head: `upsample` becomes a chosen one.

    Convention:
        See `SelfGuided` for what guides. With `nearest`, `bilinear`, `carafe` or `deconv` it is the stock head, whose
        weights load; a deconv has the kernel size of its ratio, and a ReLU after it, as there.
    """

    fusions_in = 'upsample'

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        options = dict(upsample_cfg) if isinstance(upsample_cfg, dict) else dict(type=upsample_cfg)
        scale_factor = options.pop('scale_factor', None) or 2
        kind, _ = read_upsample_cfg(options)
        super().__init__(*args, upsample_cfg=dict(type='nearest', scale_factor=scale_factor), **kwargs)
        self.upsample_method = 'deconv' if kind is Deconv else kind.__name__  # the stock head asks for the first
        if kind is Deconv:
            options = dict(kernel_size=scale_factor, scale_factor=scale_factor, **options)
        channels = self.conv_logits.in_channels
        fusion = build_fusion(options, channels, channels, keep_hr=False, norm_cfg=self.norm_cfg)
        self.upsample = SelfGuided(fusion, scale_factor)

    def _load_from_state_dict(self, state_dict: MutableMapping[str, Any], prefix: str, *args) -> None:
        start = f'{prefix}upsample.'
        for key in [key for key in state_dict if key.startswith(start)]:
            name = key[len(start) :]
            if not name.startswith('fusion.'):  # the stock head's
                name = f'deconv.{name}' if name in ('weight', 'bias') else name
                state_dict[f'{start}fusion.upsampler.{name}'] = state_dict.pop(key)
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
