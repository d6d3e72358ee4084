"""CARAFE: reassembly kernels predicted from the map itself.

Paper: CARAFE: Content-Aware ReAssembly of FEatures, ICCV 2019, arXiv 1905.02188.
Source: `CARAFEPack` of mmcv 2.x (Apache-2.0), written anew. Ours takes any pair of sizes and any device, without a
compiled extension.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import resize_nearest
from ...ops.kernels import normalize_kernels
from ...ops.reassembly import carafe
from ...ops.reassembly.border import PADDINGS
from ..inside import Inside, by_taps
from ..option_checks import check_groups, check_positive, check_windows
from ..registry import register_upsampler
from .fixed_ratio import FixedRatioUpsampler


@register_upsampler('carafe')
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
        padding: border rule of the reassembly, 'zeros', 'reflect' or 'replicate'.
        with_cp: make activations again in the backward pass: less memory, more time.
    """

    option_aliases = {'up_kernel': 'kernel_size', 'up_group': 'groups'}

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
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, scale_factor, with_cp)
        check_windows(kernel_size=kernel_size, encoder_kernel=encoder_kernel)
        check_positive(encoder_dilation=encoder_dilation, compressed_channels=compressed_channels)
        if padding not in PADDINGS:
            raise ValueError(f'padding must be one of {PADDINGS}, got {padding!r}')
        check_groups(groups, lr_channels=lr_channels)
        self.kernel_size = kernel_size
        self.groups = groups
        self.encoder_kernel = encoder_kernel
        self.encoder_dilation = encoder_dilation
        self.compressed_channels = compressed_channels
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
        return self._reassemble(lr_feat, self._kernels(lr_feat))

    def upsample_to(self, lr_feat: Tensor, size: tuple[int, int]) -> Tensor:
        # the same pixels as those of a resized result, of fewer channels
        return self._reassemble(lr_feat, resize_nearest(self._kernels(lr_feat), size))

    def inside_to(self, lr_feat: Tensor, size: tuple[int, int]) -> Inside:
        logits = resize_nearest(self._logits(lr_feat), size)
        kernels = normalize_kernels(logits, self.kernel_size)
        return Inside(tuple(lr_feat.shape[-2:]), by_taps(kernels, self.kernel_size), by_taps(logits, self.kernel_size))

    def _kernels(self, lr_feat: Tensor) -> Tensor:
        return normalize_kernels(self._logits(lr_feat), self.kernel_size).to(lr_feat.dtype)

    def _reassemble(self, lr_feat: Tensor, kernels: Tensor) -> Tensor:
        return carafe(lr_feat, kernels, self.kernel_size, self.groups, padding=self.padding)

    def _logits(self, lr_feat: Tensor) -> Tensor:
        """[B, G*k*k, s*h, s*w]."""
        return F.pixel_shuffle(self.content_encoder(self.channel_compressor(lr_feat)), self.scale_factor)
