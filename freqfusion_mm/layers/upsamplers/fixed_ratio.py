"""Upsamplers that learn one whole ratio: transposed convolution, pixel shuffle, CARAFE.

Papers: Fully Convolutional Networks, CVPR 2015 (transposed convolution); ESPCN, CVPR 2016 (pixel shuffle);
CARAFE, ICCV 2019.
Source: the layers of the same names in mmcv 2.x (Apache-2.0) and the settings of mmdet's FPN_CARAFE, written anew.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import resize_nearest
from ...ops.kernels import normalize_kernels
from ...ops.reassembly import carafe
from ..protocol import Upsampler, step_sizes


class FixedRatioUpsampler(Upsampler):
    """Reaches the size of `hr_feat` by repeating `upsample`, each time read to size by the package's index rule
    `floor(Y * s*h / H)` (which drops or repeats single rows and columns where the ratio is not `scale_factor`).
    """

    def __init__(self, lr_channels: int, scale_factor: int) -> None:
        super().__init__()
        if scale_factor < 2:
            raise ValueError(f'scale_factor must be a whole number of at least 2, got {scale_factor}')
        self.lr_channels = lr_channels
        self.scale_factor = scale_factor

    def upsample(self, lr_feat: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, C, s*h, s*w]."""
        raise NotImplementedError

    def forward(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Tensor:
        if lr_feat.dim() != 4 or lr_feat.shape[1] != self.lr_channels or 0 in lr_feat.shape:
            raise ValueError(
                f'lr_feat must be a non-empty map [N, {self.lr_channels}, h, w], got shape {tuple(lr_feat.shape)}'
            )
        if hr_feat is None:
            return self.upsample(lr_feat)
        for size in step_sizes(lr_feat.shape[-2:], hr_feat.shape[-2:], self.scale_factor):
            lr_feat = self.upsample_to(lr_feat, size)
        return lr_feat

    def upsample_to(self, lr_feat: Tensor, size: tuple[int, int]) -> Tensor:
        """One step: [N, C, h, w] -> [N, C, *size]."""
        return resize_nearest(self.upsample(lr_feat), size)


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
    """

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int | None = None,
        scale_factor: int = 2,
        kernel_size: int = 3,
        groups: int = 1,
        init: str = 'xavier',
    ) -> None:
        super().__init__(lr_channels, scale_factor)
        if kernel_size < scale_factor:
            raise ValueError(
                f'kernel_size must be at least scale_factor={scale_factor}, or pixels stay empty; got {kernel_size}'
            )
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


class PixelShuffle(FixedRatioUpsampler):
    """Convolution to s*s times the channels, then pixel shuffle.

    Args:
        lr_channels: channels in and out.
        hr_channels: not used; every upsampler takes it.
        scale_factor: s.
        kernel_size: odd.
    """

    def __init__(
        self, lr_channels: int, hr_channels: int | None = None, scale_factor: int = 2, kernel_size: int = 3
    ) -> None:
        super().__init__(lr_channels, scale_factor)
        if kernel_size % 2 == 0:
            raise ValueError(f'kernel_size must be odd, got {kernel_size}')
        self.upsample_conv = nn.Conv2d(
            lr_channels, lr_channels * scale_factor**2, kernel_size, padding=kernel_size // 2
        )
        nn.init.xavier_uniform_(self.upsample_conv.weight)
        nn.init.zeros_(self.upsample_conv.bias)

    def upsample(self, lr_feat: Tensor) -> Tensor:
        return F.pixel_shuffle(self.upsample_conv(lr_feat), self.scale_factor)


class CARAFE(FixedRatioUpsampler):
    """Content-aware reassembly. Loads the state dict of mmcv's `CARAFEPack`, and runs on the CPU too.

    Args:
        lr_channels: channels in and out.
        hr_channels: not used; every upsampler takes it.
        scale_factor: s.
        kernel_size: odd window width of the reassembly (mmcv: up_kernel).
        groups: channel groups that have kernels of their own (mmcv: up_group).
        encoder_kernel, encoder_dilation: of the convolution that predicts kernels.
        compressed_channels: its width.
        padding: border rule of the reassembly, 'zeros' or 'reflect'.
    """

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int | None = None,
        scale_factor: int = 2,
        kernel_size: int = 5,
        groups: int = 1,
        encoder_kernel: int = 3,
        encoder_dilation: int = 1,
        compressed_channels: int = 64,
        padding: str = 'zeros',
    ) -> None:
        super().__init__(lr_channels, scale_factor)
        if kernel_size % 2 == 0 or encoder_kernel % 2 == 0:
            raise ValueError(f'kernel_size and encoder_kernel must be odd, got {kernel_size} and {encoder_kernel}')
        if lr_channels % groups:
            raise ValueError(f'groups must divide lr_channels={lr_channels}, got {groups}')
        self.kernel_size = kernel_size
        self.groups = groups
        self.padding = padding
        self.channel_compressor = nn.Conv2d(lr_channels, compressed_channels, 1)
        self.content_encoder = nn.Conv2d(
            compressed_channels,
            kernel_size**2 * groups * scale_factor**2,
            encoder_kernel,
            padding=(encoder_kernel - 1) * encoder_dilation // 2,
            dilation=encoder_dilation,
        )
        nn.init.xavier_uniform_(self.channel_compressor.weight)
        nn.init.normal_(self.content_encoder.weight, std=0.001)
        nn.init.zeros_(self.channel_compressor.bias)
        nn.init.zeros_(self.content_encoder.bias)

    def upsample(self, lr_feat: Tensor) -> Tensor:
        logits = F.pixel_shuffle(self.content_encoder(self.channel_compressor(lr_feat)), self.scale_factor)
        kernels = normalize_kernels(logits, self.kernel_size).to(lr_feat.dtype)  # [N, G*k*k, s*h, s*w]
        return carafe(lr_feat, kernels, self.kernel_size, self.groups, self.scale_factor, padding=self.padding)
