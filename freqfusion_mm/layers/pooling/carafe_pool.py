"""CARAFE++'s downsampling: each output pixel is a weighted sum of a window, by a kernel predicted from the map itself.

Paper: CARAFE++: Unified Content-Aware ReAssembly of FEatures, TPAMI 2021, arXiv 2012.04733.
Source: written as the same layer as CARAFE's upsampling, its encoder of stride 2; no code of the authors was read. The
widths are those of CARAFE.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ...ops.kernels import normalize_kernels
from ...ops.reassembly import carafe
from ..option_checks import check_groups, check_windows
from ..protocol import no_samples, with_sample


class CARAFEPool(nn.Module):
    """Content-aware reassembly at stride 2.

    Convention:
        Output pixel y is centred on input pixel 2y, `ceil(H/2)` pixels; neighbours outside the map count as zero. The
        kernels, a softmax over the window, sum to 1.

    Args:
        channels: in and out.
        kernel_size: odd window width of the reassembly.
        groups: channel groups that have kernels of their own; divides `channels`.
        encoder_kernel: odd, of the strided convolution that predicts kernels.
        compressed_channels: its width.

    Example:
        >>> import torch
        >>> CARAFEPool(8)(torch.rand(1, 8, 7, 10)).shape
        torch.Size([1, 8, 4, 5])
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 5,
        groups: int = 1,
        encoder_kernel: int = 3,
        compressed_channels: int = 64,
    ) -> None:
        super().__init__()
        check_windows(kernel_size=kernel_size, encoder_kernel=encoder_kernel)
        check_groups(groups, channels=channels)
        self.channels = channels
        self.out_channels = channels
        self.kernel_size = kernel_size
        self.groups = groups
        self.channel_compressor = nn.Conv2d(channels, compressed_channels, 1)
        self.content_encoder = nn.Conv2d(
            compressed_channels, groups * kernel_size**2, encoder_kernel, stride=2, padding=encoder_kernel // 2
        )
        nn.init.xavier_uniform_(self.channel_compressor.weight)
        nn.init.normal_(self.content_encoder.weight, std=0.001)
        nn.init.zeros_(self.channel_compressor.bias)
        nn.init.zeros_(self.content_encoder.bias)

    def forward(self, feat: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, ceil(H/2), ceil(W/2)]."""
        if feat.dim() != 4 or feat.shape[1] != self.channels or 0 in feat.shape[-2:]:
            raise ValueError(f'feat must be a non-empty map [B, {self.channels}, H, W], got shape {tuple(feat.shape)}')
        if no_samples(feat):
            return self(with_sample(feat))[:0]
        logits = self.content_encoder(self.channel_compressor(feat))  # [B, G*k*k, ceil(H/2), ceil(W/2)]
        kernels = normalize_kernels(logits, self.kernel_size).to(feat.dtype)
        even = F.pad(feat, (0, feat.shape[-1] % 2, 0, feat.shape[-2] % 2))  # so that the window of y is around 2y
        return carafe(even, kernels, self.kernel_size, self.groups)
