"""The fast guided filter: smooths one map along the edges of another, at a cost that no radius changes.

Paper: Guided Image Filtering, TPAMI 2013; Fast Guided Filter, arXiv 1505.00996; as used by ReSFU, arXiv 2407.02283.
Source: zmhhmz/ReSFU (62e9d9c, no licence), class `GuidedFilter`, written anew. Ours sums by running totals instead of
convolving with ones, works in float32 or better, and takes maps smaller than the sub-sampling step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import box_mean


class GuidedFilter(nn.Module):
    """Per channel, the local linear model of `guide` that is nearest to `target`.

    Convention:
        In each window `target ~ a * guide + b` by least squares, `eps` holding `a` down; a pixel's result is
        `mean(a) * guide + mean(b)` over the windows that hold it. Windows are cut at the border and averaged over what
        is left of them. With `subsample` s the model is fitted to the pixels 0, s, 2s, ... (H // s of them) with the
        radius `radius // s`, and its means are brought back bilinearly, `align_corners=False`.
        `target = a * guide + b` with constant a and b, and `eps = 0`, is returned as it is; a window of equal pixels
        has a = 0.

    Args:
        radius: of the square windows, `2 * radius + 1` pixels wide, at the full size.
        eps: regularisation, in units of the guide's variance.
        subsample: step s of the sub-sampling; 1 for none.

    Example:
        >>> smooth = GuidedFilter(radius=8, eps=1e-3, subsample=2)
        >>> smooth(torch.rand(1, 4, 33, 50), torch.rand(1, 4, 33, 50)).shape
        torch.Size([1, 4, 33, 50])
    """

    def __init__(self, radius: int = 8, eps: float = 1e-3, subsample: int = 2) -> None:
        super().__init__()
        if radius < 0 or subsample < 1 or eps < 0:
            raise ValueError(
                f'radius and eps must not be negative and subsample be 1 or more, got radius={radius}, '
                f'eps={eps}, subsample={subsample}'
            )
        self.radius = radius
        self.eps = eps
        self.subsample = subsample

    def extra_repr(self) -> str:
        return f'radius={self.radius}, eps={self.eps}, subsample={self.subsample}'

    def forward(self, guide: Tensor, target: Tensor) -> Tensor:
        """Filter `target` [B, C, H, W] along the edges of `guide` [B, C, H, W]; returns the dtype of `target`."""
        if guide.shape != target.shape or guide.dim() != 4:
            raise ValueError(
                f'guide and target must be maps [B, C, H, W] of one shape, got {tuple(guide.shape)} and '
                f'{tuple(target.shape)}'
            )
        out_dtype, dtype = target.dtype, torch.promote_types(target.dtype, torch.float32)
        guide, target = guide.to(dtype), target.to(dtype)
        # Neither the result nor its derivative depends on these shifts; the rounding of the variances does.
        level = target.detach().mean(dim=(-2, -1), keepdim=True)
        guide = guide - guide.detach().mean(dim=(-2, -1), keepdim=True)

        coarse_guide, coarse_target = self._subsample(guide), self._subsample(target) - level
        radius, channels = self.radius // self.subsample, guide.shape[1]
        products = coarse_guide * coarse_target, coarse_guide * coarse_guide
        means = box_mean(torch.cat([coarse_guide, coarse_target, *products], dim=1), radius)
        mean_guide, mean_target, mean_product, mean_square = means.split(channels, dim=1)
        variance = (mean_square - mean_guide * mean_guide).clamp(min=0)
        covariance = mean_product - mean_guide * mean_target
        if self.eps == 0:
            flat = variance == 0
            variance, covariance = variance.masked_fill(flat, 1), covariance.masked_fill(flat, 0)
        slope = covariance / (variance + self.eps)
        model = box_mean(torch.cat([slope, mean_target - slope * mean_guide], dim=1), radius)
        if self.subsample > 1:
            model = F.interpolate(model, guide.shape[-2:], mode='bilinear', align_corners=False)
        slope, intercept = model.split(channels, dim=1)
        return (slope * guide + intercept + level).to(out_dtype)  # [B, C, H, W]

    def _subsample(self, x: Tensor) -> Tensor:
        s = self.subsample
        if s == 1:
            return x
        height, width = (max(size - size % s, 1) for size in x.shape[-2:])
        return x[..., :height:s, :width:s]
