"""DySample: upsampling by learning where to sample.

Paper: Learning to Upsample by Learning to Sample, ICCV 2023, arXiv 2308.15085.
Source: tiny-smart/dysample (4d25e29, MIT), written anew. Ours takes any pair of sizes and builds its grid on the device
of the map.
"""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import resize_nearest
from ..inside import Inside
from ..option_checks import check_groups
from ..reference import ReferenceNames
from ..registry import register_upsampler
from .fixed_ratio import FixedRatioUpsampler
from .point_sampling import sample_with_offsets


@register_upsampler('DySample')
class DySample(ReferenceNames, FixedRatioUpsampler):
    """Reads `lr_feat` bilinearly at s x s points a pixel: their regular places, plus offsets predicted from it.

    The four variants of the paper:

        | DySample | DySample+ | DySample-S | DySample-S+ |
        | --- | --- | --- | --- |
        | `style='lp'` | `style='lp', dynamic_scope=True` | `style='pl'` | `style='pl', dynamic_scope=True` |

    Convention:
        Offsets are in pixels of `lr_feat`, x before y, one pair a group of channels; zero offsets are bilinear
        upsampling, `align_corners=False`. 'lp' predicts those of s x s points from a coarse pixel and shuffles them;
        'pl' shuffles the features and predicts one point from what a fine pixel got. Fine pixel Y of a map of height
        H reads row `floor(Y * s*h / H)` of the offsets and is sampled from its own centre, so every size is reached
        without resampling the result; ratios above s take several steps with the same weights.

    Args:
        lr_channels: channels in and out; `groups` divides it, and s^2 with `style='pl'`.
        hr_channels: not used; every upsampler takes it.
        scale_factor: s.
        style: 'lp' or 'pl'.
        groups: of channels that are sampled apart (the paper: 4 with 'lp', 8 with 'pl'). None: the greatest
            common divisor of 4 and `lr_channels`.
        dynamic_scope: offsets have a predicted range, `0.5 * sigmoid(scope)`, in place of the fixed 0.25.
        scope_bias: of the scope's convolution: False in the released file and the published parameter counts, True in
            the authors' forks of mmdetection and mmsegmentation.
        with_cp: make activations again in the backward pass: less memory, more time.

    Example:
        >>> import torch
        >>> DySample(16)(torch.rand(1, 16, 5, 7), torch.rand(1, 8, 11, 13)).shape
        torch.Size([1, 16, 11, 13])
    """

    reference_args = {'in_channels': 'lr_channels', 'scale': 'scale_factor', 'dyscope': 'dynamic_scope'}
    reference_keys = {'init_pos': None}  # the start positions are the pixel centres themselves

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int | None = None,
        scale_factor: int = 2,
        style: str = 'lp',
        groups: int | None = None,
        dynamic_scope: bool = False,
        scope_bias: bool = False,
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, scale_factor, with_cp)
        if style not in ('lp', 'pl'):
            raise ValueError(f"style must be 'lp' or 'pl', got {style!r}")
        if groups is None:
            groups = math.gcd(4, lr_channels)
        check_groups(groups, lr_channels=lr_channels)
        if style == 'pl' and lr_channels % scale_factor**2:
            raise ValueError(
                "style='pl' shuffles channels into pixels: scale_factor**2 = "
                f'{scale_factor**2} must divide lr_channels={lr_channels}'
            )
        self.style = style
        self.groups = groups
        self.dynamic_scope = dynamic_scope
        self.scope_bias = scope_bias
        shuffled = scale_factor**2 if style == 'pl' else 1
        shape = lr_channels // shuffled, 2 * groups * scale_factor**2 // shuffled
        self.offset = nn.Conv2d(*shape, 1)
        self.scope = nn.Conv2d(*shape, 1, bias=scope_bias) if dynamic_scope else None
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.offset.bias)
        if dynamic_scope:
            for parameter in self.scope.parameters():
                nn.init.zeros_(parameter)

    def upsample(self, lr_feat: Tensor) -> Tensor:
        return self.upsample_to(lr_feat, tuple(self.scale_factor * size for size in lr_feat.shape[-2:]))

    def upsample_to(self, lr_feat: Tensor, size: tuple[int, int]) -> Tensor:
        return sample_with_offsets(lr_feat, self._offset(lr_feat, size), lr_feat.shape[-2:])

    def inside_to(self, lr_feat: Tensor, size: tuple[int, int]) -> Inside:
        return Inside(tuple(lr_feat.shape[-2:]), offsets=self._offset(lr_feat, size))

    def _offset(self, lr_feat: Tensor, size: tuple[int, int]) -> Tensor:
        """[B, 2, groups, *size]."""
        offset = resize_nearest(self._predict(lr_feat), size)
        return offset.reshape(offset.shape[0], 2, self.groups, *size)  # ONNX: unflatten would fix the sizes

    def _predict(self, lr_feat: Tensor) -> Tensor:
        """[B, 2 * groups, s*h, s*w]."""
        if self.style == 'pl':
            lr_feat = F.pixel_shuffle(lr_feat, self.scale_factor)
        offset = self.offset(lr_feat)
        offset = offset * 0.25 if self.scope is None else offset * self.scope(lr_feat).sigmoid() * 0.5
        return offset if self.style == 'pl' else F.pixel_shuffle(offset, self.scale_factor)
