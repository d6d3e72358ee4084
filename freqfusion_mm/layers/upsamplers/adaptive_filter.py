"""An adaptive filter: every fine pixel and channel group has a kernel of its own, predicted from the maps.

Paper: Frequency-aware Feature Fusion for Dense Image Prediction, TPAMI 2024, arXiv 2408.12879.
"""

from torch import Tensor, nn

from ... import ops
from ...ops.kernels import normalize_kernels
from ...ops.reassembly import carafe
from ..fixed_window import FixedWindow
from ..inside import by_taps


class AdaptiveFilter(FixedWindow, nn.Module):
    """Makes kernels of logits, and filters maps with them: low-pass, or high-pass as what low-pass leaves over.

    Args:
        kernel_size: odd window width k.
        groups: G, channel groups that have kernels of their own.
        hamming_window: multiply the kernels by a Hamming window.
        padding: border rule, see `ops.carafe`.
    """

    def __init__(self, kernel_size: int, groups: int = 1, hamming_window: bool = True, padding: str = 'zeros') -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.groups = groups
        self.padding = padding
        self.window = self.make_window() if hamming_window else None

    def make_window(self) -> Tensor:
        return ops.hamming_window(self.kernel_size)

    def build_encoder(self, channels: int, encoder_kernel: int, encoder_dilation: int) -> nn.Conv2d:
        """The convolution that predicts the logits of the kernels from a map of so many channels."""
        padding = (encoder_kernel - 1) * encoder_dilation // 2
        logits = self.groups * self.kernel_size**2
        return nn.Conv2d(channels, logits, encoder_kernel, padding=padding, dilation=encoder_dilation)

    def kernels(self, logits: Tensor) -> Tensor:
        """[B, G*k*k, H, W], which sum to one over a window."""
        return normalize_kernels(logits, self.kernel_size, self.window)

    def smooth(self, features: Tensor, kernels: Tensor) -> Tensor:
        """[B, C, h, w] at the size of the kernels."""
        return carafe(features, kernels.to(features.dtype), self.kernel_size, self.groups, padding=self.padding)

    def sharpen(self, features: Tensor, logits: Tensor, residual: bool) -> Tensor:
        """Details, `features` minus its low-pass, with `residual` added to `features`."""
        # Negated are the kernels, not the wider maps of the forward and the backward pass.
        return self.smooth(features, -self.kernels(logits)).add_(features, alpha=2 if residual else 1)

    def details(self, logits: Tensor) -> Tensor:
        """The taps of `sharpen` without `residual`, [B, G, k, k, H, W], which sum to zero."""
        taps = -by_taps(self.kernels(logits), self.kernel_size)
        taps[:, :, self.kernel_size // 2, self.kernel_size // 2] += 1
        return taps

    def extra_repr(self) -> str:
        """The options."""
        hamming = self.window is not None
        return f'{self.kernel_size}, groups={self.groups}, hamming_window={hamming}, padding={self.padding!r}'
