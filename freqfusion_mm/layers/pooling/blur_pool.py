"""BlurPool: subsampling after a fixed binomial low-pass filter.

Paper: Making Convolutional Networks Shift-Invariant Again, ICML 2019, arXiv 1904.11486.
Source: written from the paper. The kept implementation (kornia's) pads with zeros, which darkens the border; the
paper's reflects, and so does ours.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..borders import repeat_border
from ..fixed_window import FixedWindow
from ..option_checks import check_windows


class BlurPool(FixedWindow, nn.Module):
    """Blurs with the binomial filter of `kernel_size` taps and keeps every second pixel, after a dense maximum.

    Convention:
        Output pixel y is centred on input pixel 2y, `ceil(H/2)` pixels. The border is mirrored without repeating the
        edge, where the map is large enough, and repeated otherwise. `maximum=True` takes the maximum over 2x2 pixels at
        stride 1 first, which makes the layer the paper's replacement of a max pooling ("MaxBlurPool").

    Args:
        channels: unused by the computation, checked; every pooling is built with it.
        kernel_size: odd number of taps; 3 is the filter [1, 2, 1] / 4.
        maximum: see above.

    Example:
        >>> BlurPool(4)(torch.ones(1, 4, 7, 10)).unique()
        tensor([1.])
    """

    def __init__(self, channels: int, kernel_size: int = 3, maximum: bool = True) -> None:
        super().__init__()
        check_windows(kernel_size=kernel_size)
        self.channels = channels
        self.out_channels = channels
        self.kernel_size = kernel_size
        self.maximum = maximum
        self.window = self.make_window().float()

    def make_window(self) -> Tensor:
        taps = torch.tensor([math.comb(self.kernel_size - 1, i) for i in range(self.kernel_size)], dtype=torch.float64)
        taps = taps / taps.sum()
        return torch.outer(taps, taps)[None, None]

    def forward(self, feat: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, ceil(H/2), ceil(W/2)]."""
        if feat.dim() != 4 or feat.shape[1] != self.channels:
            raise ValueError(f'feat must be a map [B, {self.channels}, H, W], got shape {tuple(feat.shape)}')
        if self.maximum:
            feat = F.max_pool2d(repeat_border(feat, (0, 1, 0, 1)), 2, stride=1)
        reach = self.window.shape[-1] // 2
        pad = (reach,) * 4
        feat = F.pad(feat, pad, mode='reflect') if min(feat.shape[-2:]) > reach else repeat_border(feat, pad)
        window = self.window.to(feat.dtype).expand(self.channels, 1, -1, -1)
        return F.conv2d(feat, window, stride=2, groups=self.channels)
