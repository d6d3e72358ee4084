"""Transposed convolution.

Paper: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, arXiv 1411.4038.
Source: the layer 'deconv' of mmcv 2.x (Apache-2.0) and the settings of mmdet's FPN_CARAFE, written anew. Ours takes any
pair of sizes.
"""

import torch
from torch import Tensor, nn

from ..registry import register_upsampler
from .fixed_ratio import FixedRatioUpsampler


@register_upsampler('deconv')
class Deconv(FixedRatioUpsampler):
    """Transposed convolution.

    Args:
        lr_channels: channels in and out.
        hr_channels: not used; every upsampler takes it.
        scale_factor: stride s.
        kernel_size: k, at least s; padded so that the output is s times the input and centred on it (k=3, s=2 is the
            transposed convolution of FPN_CARAFE, k=2s that of FCN).
        groups: of the convolution; divides `lr_channels`.
        init: 'xavier' (uniform), or 'bilinear': starts as bilinear interpolation, as the FCN paper does
            (k = 2s - s%2 holds its whole kernel; wider ones are padded with zeros).
        with_cp: make activations again in the backward pass: less memory, more time.
    """

    option_aliases = {'upsample_kernel': 'kernel_size', 'stride': 'scale_factor'}

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int | None = None,
        scale_factor: int = 2,
        kernel_size: int = 3,
        groups: int = 1,
        init: str = 'xavier',
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, scale_factor, with_cp)
        if kernel_size < scale_factor:
            raise ValueError(
                f'kernel_size must be at least scale_factor={scale_factor}, or pixels stay empty; got {kernel_size}'
            )
        self.kernel_size = kernel_size
        self.groups = groups
        self.init = init
        padding = (kernel_size - scale_factor + 1) // 2
        self.deconv = nn.ConvTranspose2d(
            lr_channels,
            lr_channels,
            kernel_size,
            scale_factor,
            padding,
            output_padding=scale_factor + 2 * padding - kernel_size,
            groups=groups,
        )
        if init == 'bilinear':
            self._init_bilinear()
        elif init == 'xavier':
            nn.init.xavier_uniform_(self.deconv.weight)
        else:
            raise ValueError(f"init must be 'xavier' or 'bilinear', got {init!r}")
        nn.init.zeros_(self.deconv.bias)

    def _init_bilinear(self) -> None:
        """Each channel reads itself through a triangle of half-width s around the pixel that torch's bilinear reads."""
        s, k = self.scale_factor, self.deconv.kernel_size[0]
        # fine pixel Y = s*y + t - padding lies (Y + 0.5)/s - 0.5 - y coarse pixels away from y
        taps = torch.arange(k, dtype=torch.float32) - self.deconv.padding[0]
        triangle = (1 - ((taps + 0.5) / s - 0.5).abs()).clamp(min=0)
        nn.init.zeros_(self.deconv.weight)
        per_group = self.lr_channels // self.deconv.groups
        with torch.no_grad():
            for channel in range(self.lr_channels):
                self.deconv.weight[channel, channel % per_group] = torch.outer(triangle, triangle)

    def upsample(self, lr_feat: Tensor) -> Tensor:
        return self.deconv(lr_feat)
