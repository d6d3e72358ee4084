"""Interpolation without parameters, as upsamplers: nearest, bilinear, bicubic."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ..protocol import Upsampler
from ..registry import register_upsampler


class _Interpolation(Upsampler):
    direct = True
    mode: ClassVar[str]
    align_corners: bool | None = None

    def __init__(self, lr_channels: int | None = None, hr_channels: int | None = None, scale_factor: float = 2) -> None:
        super().__init__()
        self.scale_factor = scale_factor

    def forward(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Tensor:
        size, scale = (None, self.scale_factor) if hr_feat is None else (hr_feat.shape[-2:], None)
        return F.interpolate(lr_feat, size, scale, mode=self.mode, align_corners=self.align_corners)


@register_upsampler('nearest')
class Nearest(_Interpolation):
    """`torch.nn.functional.interpolate(mode='nearest')` to the size of `hr_feat`.

    Args:
        lr_channels, hr_channels: not used; every upsampler takes them.
        scale_factor: ratio where no `hr_feat` is given.
    """

    mode = 'nearest'


@register_upsampler('bilinear')
class Bilinear(_Interpolation):
    """`torch.nn.functional.interpolate(mode='bilinear')` to the size of `hr_feat`.

    Args:
        lr_channels, hr_channels: not used; every upsampler takes them.
        scale_factor: ratio where no `hr_feat` is given.
        align_corners: as in torch.
    """

    mode = 'bilinear'
    follows = ('align_corners',)

    def __init__(
        self,
        lr_channels: int | None = None,
        hr_channels: int | None = None,
        scale_factor: float = 2,
        align_corners: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels, scale_factor)
        self.align_corners = align_corners


@register_upsampler('bicubic')
class Bicubic(Bilinear):
    """`torch.nn.functional.interpolate(mode='bicubic')` to the size of `hr_feat`; arguments as `Bilinear`."""

    mode = 'bicubic'
