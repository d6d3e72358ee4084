"""SAPA-D: each fine pixel attends to a few points around its coarse pixel, at learned places.

Paper: On Point Affiliation in Feature Upsampling, arXiv 2307.08198.
Source: tiny-smart/sapa (a5acd52, no licence), written anew from its definition. Ours takes any pair of sizes and any
device, without a compiled extension.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import resize_nearest
from ..norms import group_norm
from ..option_checks import check_groups, check_positive, check_ratio
from ..protocol import GuidedUpsampler, step_guides
from ..reference import ReferenceNames
from ..registry import register_upsampler
from .point_sampling import samples


@register_upsampler('SAPA-D')
class SAPADeform(ReferenceNames, GuidedUpsampler):
    """Each fine pixel becomes the mean of coarse features at `points` places, weighted by how alike they are.

    Convention:
        `weights = softmax_p <query[Y], key(place_p(Y))>` in each group of channels, the values read from `lr_feat`
        itself. The places of fine pixel Y lie around the centre of coarse pixel `floor(Y*h/H)`, not around its own,
        moved by offsets in pixels of `lr_feat`, x before y, that `lr_feat` predicts; reading is bilinear,
        `align_corners=False`, and zero outside the map. With `high_offset` s x s sets of offsets a coarse pixel are
        predicted and shuffled, and fine pixel Y takes row `floor(Y * s*h / H)` of them; without it one set serves all
        fine pixels of a coarse one. One step reaches the ratio `scale_factor`; for more, the layer repeats itself with
        the same weights, guided by `hr_feat` average-pooled to the size of each step.

    Args:
        lr_channels, hr_channels: channels of the two maps; `groups` divides `lr_channels`.
        scale_factor: s.
        points: places a fine pixel and group.
        groups: of channels that attend apart. None: 4, or the largest number below that divides `lr_channels`.
        compressed_channels: of query and key in each group.
        high_offset: see above.
        norm: GroupNorm of both maps, 32 groups or the largest number below that divides, before query, key and offsets;
            the values are those of `lr_feat` itself.
        bias: of query and key.
        with_cp: make activations again in the backward pass: of 128 channels, 32x32 to 64x64, 2.5 MiB are kept for it
            in place of 44, at 1.2 times the time of both passes (one CPU thread).

    Example:
        >>> import torch
        >>> SAPADeform(16, 12)(torch.rand(1, 16, 5, 7), torch.rand(1, 12, 11, 13)).shape
        torch.Size([1, 16, 11, 13])
    """

    option_aliases = {'embedding_channels': 'compressed_channels'}
    reference_args = {
        'dim_y': 'hr_channels',
        'dim_x': 'lr_channels',
        'up_factor': 'scale_factor',
        'num_point': 'points',
        'embedding_dim': 'compressed_channels',
        'qkv_bias': 'bias',
    }
    reference_same = {'dim_x': 'dim_y'}
    reference_keys = {'norm_y': 'hr_norm', 'norm_x': 'lr_norm', 'q': 'query', 'k': 'key'}

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        scale_factor: int = 2,
        points: int = 9,
        groups: int | None = None,
        compressed_channels: int = 32,
        high_offset: bool = True,
        norm: bool = False,
        bias: bool = True,
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels, with_cp)
        if groups is None:
            groups = next(number for number in (4, 3, 2, 1) if lr_channels % number == 0)
        check_groups(groups, lr_channels=lr_channels)
        check_ratio(scale_factor)
        check_positive(points=points, compressed_channels=compressed_channels)
        self.scale_factor = scale_factor
        self.points = points
        self.groups = groups
        self.compressed_channels = compressed_channels
        self.high_offset = high_offset
        self.norm = norm
        self.bias = bias
        self.lr_norm = group_norm(lr_channels) if norm else nn.Identity()
        self.hr_norm = group_norm(hr_channels) if norm else nn.Identity()
        self.query = nn.Conv2d(hr_channels, groups * compressed_channels, 1, bias=bias)
        self.key = nn.Conv2d(lr_channels, groups * compressed_channels, 1, bias=bias)
        self.offset = nn.Conv2d(lr_channels, 2 * groups * points * (scale_factor**2 if high_offset else 1), 1)
        for conv in (self.query, self.key, self.offset):
            nn.init.normal_(conv.weight, std=0.02)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def upsample(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        for guide in step_guides(lr_feat, hr_feat, self.scale_factor):
            lr_feat = self.step(lr_feat, guide)
        return lr_feat

    def step(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        normed = self.lr_norm(lr_feat)
        query, key = self.query(self.hr_norm(guide)), self.key(normed)
        places = self._places(normed, guide.shape[-2:])
        parts = zip(*(feat.to(places.dtype).chunk(self.groups, 1) for feat in (query, key, lr_feat)), places.unbind(1))
        grouped = []
        for group_query, group_key, values, grid in parts:
            scores = (group_query.unsqueeze(2) * self._read(group_key, grid)).sum(1)  # [B, P, H, W]
            grouped.append((scores.softmax(1).unsqueeze(1) * self._read(values, grid)).sum(2))
        return torch.cat(grouped, dim=1).to(lr_feat.dtype)

    def _places(self, normed: Tensor, size: tuple[int, int]) -> Tensor:
        """[B, groups, points, H, W, 2], x before y, in the coordinates of `grid_sample`."""
        offset = self.offset(normed)
        if self.high_offset:
            offset = F.pixel_shuffle(offset, self.scale_factor)
        dtype = torch.promote_types(offset.dtype, torch.float32)  # half precision cannot address a pixel
        # nan_to_num: torch's grid_sample ends the process at a place that is no number, in its backward pass on CPUs
        offset = resize_nearest(offset.to(dtype).nan_to_num(), size)
        offset = offset.reshape(offset.shape[0], self.groups, self.points, 2, *size)
        axes = []
        for axis, coarse in zip((-2, -1), normed.shape[-2:]):  # centres of the coarse pixels that the fine ones are in
            centres = (2 * torch.arange(coarse, device=offset.device, dtype=dtype) + 1) / coarse - 1
            read = torch.arange(size[axis], device=offset.device) * coarse // size[axis]
            axes.append(centres[read])
        x = axes[1] + offset[:, :, :, 0] * (2 / normed.shape[-1])
        y = axes[0][:, None] + offset[:, :, :, 1] * (2 / normed.shape[-2])
        return torch.stack([x, y], dim=-1)

    def _read(self, feat: Tensor, grid: Tensor) -> Tensor:
        """[B, C, h, w] at [B, P, H, W, 2]: [B, C, P, H, W]."""
        read = samples(feat, grid.flatten(1, 2), 'zeros')
        return read.reshape(*read.shape[:2], *grid.shape[1:4])
