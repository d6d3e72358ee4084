"""Base of the upsamplers that learn one whole ratio."""

from torch import Tensor

from ...ops import resize_nearest
from ..inside import Inside
from ..option_checks import check_ratio
from ..protocol import Upsampler, check_dtypes, check_sizes, keep_layout, no_samples, step_sizes, with_sample
from ..recomputation import recomputed


class FixedRatioUpsampler(Upsampler):
    """Reaches the size of `hr_feat` by repeating `upsample`, each time read to size by the package's index rule
    `floor(Y * s*h / H)` (which drops or repeats single rows and columns where the ratio is not `scale_factor`).
    """

    def __init__(self, lr_channels: int, scale_factor: int, with_cp: bool = False) -> None:
        super().__init__()
        check_ratio(scale_factor)
        self.lr_channels = lr_channels
        self.scale_factor = scale_factor
        self.with_cp = with_cp

    def upsample(self, lr_feat: Tensor) -> Tensor:
        """[B, C, h, w] to [B, C, s*h, s*w]."""
        raise NotImplementedError

    def forward(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Tensor:
        """Upsample.

        Args:
            lr_feat: [B, lr_channels, h, w].
            hr_feat: [B, hr_channels, H, W], at least as large; the size alone matters. None: `H, W = s*h, s*w`.

        Returns:
            [B, lr_channels, H, W] in the memory format of `lr_feat`.

        Raises:
            ValueError: a map that is not 4-D, of no pixel, or of other channels; maps in the wrong order.
            TypeError: map and weights of two dtypes, outside autocast.
        """
        if lr_feat.dim() != 4 or lr_feat.shape[1] != self.lr_channels or 0 in lr_feat.shape[-2:]:
            raise ValueError(
                f'lr_feat must be a non-empty map [B, {self.lr_channels}, h, w], got shape {tuple(lr_feat.shape)}'
            )
        if hr_feat is not None:
            check_sizes(lr_feat, hr_feat)
        check_dtypes(self, lr_feat)
        if no_samples(lr_feat):
            return self(with_sample(lr_feat), hr_feat)[:0]
        if hr_feat is None:
            return keep_layout(recomputed(self, self.upsample, lr_feat), lr_feat)
        return keep_layout(recomputed(self, self._upsample_in_steps, lr_feat, hr_feat.shape[-2:]), lr_feat)

    def _upsample_in_steps(self, lr_feat: Tensor, fine: tuple[int, int]) -> Tensor:
        for size in step_sizes(lr_feat.shape[-2:], fine, self.scale_factor):
            lr_feat = self.upsample_to(lr_feat, size)
        return lr_feat

    def inside(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Inside | None:
        fine = tuple(self.scale_factor * size for size in lr_feat.shape[-2:]) if hr_feat is None else hr_feat.shape[-2:]
        *earlier, size = step_sizes(lr_feat.shape[-2:], fine, self.scale_factor)
        for each in earlier:
            lr_feat = self.upsample_to(lr_feat, each)
        return self.inside_to(lr_feat, size)

    def inside_to(self, lr_feat: Tensor, size: tuple[int, int]) -> Inside | None:
        """`inside` of `upsample_to`."""
        return None

    def upsample_to(self, lr_feat: Tensor, size: tuple[int, int]) -> Tensor:
        """One step: [B, C, h, w] to [B, C, *size]."""
        return resize_nearest(self.upsample(lr_feat), size)
