"""Sub-pixel convolution: more channels, shuffled into pixels.

Paper: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network
    (ESPCN), CVPR 2016, arXiv 1609.05158.
Source: the layer 'pixel_shuffle' of mmcv 2.x (Apache-2.0), written anew. Ours takes any pair of sizes.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..option_checks import check_windows
from ..registry import register_upsampler
from .fixed_ratio import FixedRatioUpsampler


@register_upsampler('pixel_shuffle')
class PixelShuffle(FixedRatioUpsampler):
    """Convolution to s*s times the channels, then pixel shuffle.

    Args:
        lr_channels: channels in and out.
        hr_channels: not used; every upsampler takes it.
        scale_factor: s.
        kernel_size: odd.
        with_cp: make activations again in the backward pass: less memory, more time.
    """

    option_aliases = {'upsample_kernel': 'kernel_size'}

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int | None = None,
        scale_factor: int = 2,
        kernel_size: int = 3,
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, scale_factor, with_cp)
        check_windows(kernel_size=kernel_size)
        self.kernel_size = kernel_size
        self.upsample_conv = nn.Conv2d(
            lr_channels, lr_channels * scale_factor**2, kernel_size, padding=kernel_size // 2
        )
        nn.init.xavier_uniform_(self.upsample_conv.weight)
        nn.init.zeros_(self.upsample_conv.bias)

    def upsample(self, lr_feat: Tensor) -> Tensor:
        return F.pixel_shuffle(self.upsample_conv(lr_feat), self.scale_factor)
