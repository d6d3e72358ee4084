"""The offset generator of FreqFusion: moves each upsampled pixel to a place that looks like its own neighbourhood.

Paper: Frequency-aware Feature Fusion for Dense Image Prediction, TPAMI 2024, arXiv 2408.12879.
Source: Linwei-Chen/FreqFusion (3fb0c70, no licence), class `LocalSimGuidedSampler`, written anew. Ours takes any pair
of sizes and computes the similarity without unfolding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import resize_nearest
from ...ops.similarity import neighbour_similarity
from ..norms import group_norm
from ..reference import ReferenceNames
from ..untouched import untouched
from .point_sampling import sample_with_offsets


class OffsetGenerator(ReferenceNames):
    """Predicts offsets from local similarity and resamples a map by them.

    Convention:
        Features are normalised and joined by their cosine similarity to the eight neighbours at distance 2; offsets and
        their scales are predicted from both (`direction='concat'`), or offsets from the similarities alone and scales
        from the features alone (`direction='similarity'`, the authors' `direction_feat='sim'`). Offsets are in pixels
        of the low-resolution map, x before y, one pair per group of channels:
        `(lr_offset + hr_offset) * sigmoid(lr_scale + hr_scale)`. The low-resolution convolutions predict 2 x 2 values a
        pixel, laid out by pixel shuffle; where the ratio is not 2, high-resolution pixel Y reads row `floor(Y*2h/H)`
        of that layout. Sampling is bilinear at the pixel's own centre plus its offset, `align_corners=False`,
        border values repeated. Zero offsets return the map unchanged.

    Args:
        channels: channels of both compressed maps.
        groups: channel groups that move apart.
        kernel_size: of the four convolutions, odd.
        norm: GroupNorm on both compressed maps, eight channels a group where that divides.
        direction: what the offsets are predicted from, 'concat' or 'similarity'.
    """

    reference_keys = {
        'offset': 'lr_offset',
        'direct_scale': 'lr_scale',
        'hr_direct_scale': 'hr_scale',
        'norm_lr': 'lr_norm',
        'norm_hr': 'hr_norm',
        'init_pos': None,  # the bilinear start positions are the pixel centres themselves
    }

    def __init__(
        self, channels: int, groups: int = 4, kernel_size: int = 3, norm: bool = True, direction: str = 'concat'
    ) -> None:
        super().__init__()
        if direction not in ('concat', 'similarity'):
            raise ValueError(f"direction must be 'concat' or 'similarity', got {direction!r}")
        self.groups = groups
        self.direction = direction
        offset_in, scale_in = (channels + 8, channels + 8) if direction == 'concat' else (8, channels)
        padding = kernel_size // 2
        # Eight channels a group, where that divides (the authors need a multiple of eight).
        self.lr_norm = group_norm(channels, channels // 8) if norm else nn.Identity()
        self.hr_norm = group_norm(channels, channels // 8) if norm else nn.Identity()
        self.lr_offset = nn.Conv2d(offset_in, 8 * groups, kernel_size, padding=padding)
        self.hr_offset = nn.Conv2d(offset_in, 2 * groups, kernel_size, padding=padding)
        self.lr_scale = nn.Conv2d(scale_in, 8 * groups, kernel_size, padding=padding)
        self.hr_scale = nn.Conv2d(scale_in, 2 * groups, kernel_size, padding=padding)

    def predict(self, lr_compressed: Tensor, hr_compressed: Tensor) -> Tensor:
        """Offsets in low-resolution pixels, [B, 2, groups, H, W], x before y."""
        lr, hr = self.lr_norm(lr_compressed), self.hr_norm(hr_compressed)
        lr_similarity, hr_similarity = neighbour_similarity(lr), neighbour_similarity(hr)
        size = hr.shape[-2:]
        if self.direction == 'concat':
            lr_offset, lr_scale = _convolve_both(self.lr_offset, self.lr_scale, lr, lr_similarity)
            hr_offset, hr_scale = _convolve_both(self.hr_offset, self.hr_scale, hr, hr_similarity)
        else:
            lr_offset, lr_scale = self.lr_offset(lr_similarity), self.lr_scale(lr)
            hr_offset, hr_scale = self.hr_offset(hr_similarity), self.hr_scale(hr)
        offset = resize_nearest(F.pixel_shuffle(lr_offset, 2), size) + hr_offset
        scale = resize_nearest(F.pixel_shuffle(lr_scale, 2), size) + hr_scale
        return (offset * scale.sigmoid()).reshape(hr.shape[0], 2, self.groups, *size)  # ONNX: unflatten fixes the sizes

    def forward(self, lr_compressed: Tensor, hr_compressed: Tensor, features: Tensor) -> Tensor:
        """Resample `features` [B, C, H, W], `groups` dividing C, by the offsets that the compressed maps predict."""
        offset = self.predict(lr_compressed, hr_compressed)
        return sample_with_offsets(features, offset, lr_compressed.shape[-2:])


def _convolve_both(first: nn.Conv2d, second: nn.Conv2d, features: Tensor, similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Two convolutions of `features` and `similarity` as one: few output channels leave most of a vector unit idle.

    The two maps stay apart: one of both would keep another copy of `features` for the backward pass. Each convolution
    by itself where they are not as they were.
    """
    if not untouched(first, second):
        both = torch.cat([features, similarity], dim=1)
        return first(both), second(both)
    weight, bias = (torch.cat([getattr(first, name), getattr(second, name)]) for name in ('weight', 'bias'))
    of_features, of_similarity = weight.split((features.shape[1], similarity.shape[1]), dim=1)
    both = F.conv2d(features, of_features, bias, padding=first.padding)
    both = both + F.conv2d(similarity, of_similarity, padding=first.padding)
    return both.split((first.out_channels, second.out_channels), dim=1)
