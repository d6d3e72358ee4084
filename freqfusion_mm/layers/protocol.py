"""The two protocols that necks and heads know, and the one adapter between them.

An upsampler maps `(lr_feat, hr_feat=None)` to one tensor; a fusion maps `(lr_feat, hr_feat)` to `(lr_up, hr_feat)`.
Both leave the channels as they are and return `lr_up` at the size of `hr_feat`, whatever the two sizes are.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Upsampler(nn.Module):
    """Base of the upsamplers: `forward(lr_feat, hr_feat=None) -> lr_up`.

    Attributes:
        any_ratio: True where any ratio is one direct step (interpolation); False where the layer has a ratio of its own
            and repeats itself, with the same weights, for higher ones.
    """

    any_ratio: bool = False


class GuidedUpsampler(Upsampler):
    """Base of the upsamplers that `hr_feat` guides.

    A layer of the ratio 2 defines `step`, which goes once up, to at most twice the size. Ratios above take several
    steps with the same weights, guided by `hr_feat` average-pooled to the size of each. One that reaches any ratio
    defines `upsample`.
    """

    def __init__(self, lr_channels: int, hr_channels: int) -> None:
        super().__init__()
        self.lr_channels = lr_channels
        self.hr_channels = hr_channels

    def step(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        """[N, lr_channels, h, w] to the size of `guide` [N, hr_channels, H, W]."""
        raise NotImplementedError

    def forward(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Tensor:
        """Upsample.

        Args:
            lr_feat: [N, lr_channels, h, w].
            hr_feat: [N, hr_channels, H, W], at least as large. Needed: it is the guide.

        Returns:
            [N, lr_channels, H, W] in the dtype of `lr_feat`.

        Raises:
            ValueError: no guide; maps that are not 4-D, empty, of other channels or batch sizes, or in the wrong order.
        """
        if hr_feat is None:
            raise ValueError(
                f'{type(self).__name__} is guided and needs hr_feat, the map at the size to reach; for an '
                "upsampling without guide choose another, e.g. 'bilinear' or 'carafe'"
            )
        check_pair(lr_feat, hr_feat, self.lr_channels, self.hr_channels)
        return self.upsample(lr_feat, hr_feat)

    def upsample(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        """`forward` without its checks."""
        for guide in step_guides(lr_feat, hr_feat):
            lr_feat = self.step(lr_feat, guide)
        return lr_feat


class Fusion(nn.Module):
    """Base of the fusions: `forward(lr_feat, hr_feat) -> (lr_up, hr_feat)`.

    Attributes:
        any_ratio: as for `Upsampler`.
        resample_groups: channel groups of `lr_up` that were resampled apart, which a concatenation has to keep together
            (see `interleave_concat`); 1 where there is nothing to keep.
    """

    any_ratio: bool = False
    resample_groups: int = 1


class UpsamplerFusion(Fusion):
    """Makes a fusion of an upsampler: `hr_feat` passes unchanged."""

    def __init__(self, upsampler: nn.Module) -> None:
        super().__init__()
        self.upsampler = upsampler
        self.any_ratio = getattr(upsampler, 'any_ratio', False)

    def forward(self, lr_feat: Tensor, hr_feat: Tensor) -> tuple[Tensor, Tensor]:
        return self.upsampler(lr_feat, hr_feat), hr_feat


def interleave_concat(hr_feat: Tensor, lr_up: Tensor, groups: int = 1) -> Tensor:
    """Concatenate the channels of two maps group by group: `hr_0, lr_0, hr_1, lr_1, ...`.

    A later fusion resamples its input in contiguous channel groups; interleaving keeps each group of `lr_up` together
    with its share of `hr_feat`. Source: SegNeXt head of the FreqFusion repository (3fb0c70). `groups=1` is
    `torch.cat([hr_feat, lr_up], dim=1)`.

    Args:
        hr_feat, lr_up: [N, C1, H, W], [N, C2, H, W]; `groups` divides C1 and C2.

    Returns:
        [N, C1 + C2, H, W].
    """
    if hr_feat.shape[1] % groups or lr_up.shape[1] % groups:
        raise ValueError(
            f'groups must divide both channel numbers, got groups={groups} for {hr_feat.shape[1]} and '
            f'{lr_up.shape[1]} channels'
        )
    n, _, height, width = hr_feat.shape  # not unflatten, which fixes the sizes in ONNX
    grouped = [feat.reshape(n, groups, -1, height, width) for feat in (hr_feat, lr_up)]
    return torch.cat(grouped, dim=2).flatten(1, 2)


def check_pair(lr_feat: Tensor, hr_feat: Tensor, lr_channels: int, hr_channels: int) -> None:
    """One clear error for a pair of maps that no fusion can take."""
    for name, feat, channels in (('lr_feat', lr_feat, lr_channels), ('hr_feat', hr_feat, hr_channels)):
        if feat.dim() != 4 or 0 in feat.shape[-2:]:
            raise ValueError(f'{name} must be a non-empty map [N, {channels}, H, W], got shape {tuple(feat.shape)}')
        if feat.shape[1] != channels:
            raise ValueError(
                f'{name} must have {channels} channels, got {feat.shape[1]} (shape {tuple(feat.shape)}); '
                'the order of the arguments is (lr_feat, hr_feat), low resolution first'
            )
    if lr_feat.shape[0] != hr_feat.shape[0]:
        raise ValueError(f'lr_feat and hr_feat must have one batch size, got {lr_feat.shape[0]} and {hr_feat.shape[0]}')
    if hr_feat.shape[-2] < lr_feat.shape[-2] or hr_feat.shape[-1] < lr_feat.shape[-1]:
        raise ValueError(
            f'hr_feat must be at least as large as lr_feat, got {tuple(hr_feat.shape[-2:])} and '
            f'{tuple(lr_feat.shape[-2:])}; the order of the arguments is (lr_feat, hr_feat)'
        )


def step_sizes(coarse: tuple[int, int], fine: tuple[int, int], ratio: int = 2) -> list[tuple[int, int]]:
    """Sizes that a layer of a fixed ratio passes through on its way from a coarse to a fine map.

    One step reaches up to `ratio * (n + 1) - 1` pixels, the longest map that a strided layer shortens to n; beyond
    that, steps are added whose sizes are the fine one divided down.

    Returns:
        at least one size; the last one is `fine`.

    Example:
        >>> step_sizes((13, 14), (27, 27)), step_sizes((4, 4), (32, 31))
        ([(27, 27)], [(8, 7), (16, 15), (32, 31)])
    """
    steps = 1
    while any(f + 1 > ratio**steps * (c + 1) for c, f in zip(coarse, fine)):
        steps += 1
    sizes = [tuple(max(c, f // ratio**k) for c, f in zip(coarse, fine)) for k in range(steps - 1, 0, -1)]
    return [*sizes, tuple(fine)]


def step_guides(lr_feat: Tensor, hr_feat: Tensor, ratio: int = 2) -> Iterator[Tensor]:
    """`hr_feat` average-pooled to the size of each of `step_sizes`, itself last: what guides a layer that repeats
    itself.
    """
    *sizes, _ = step_sizes(lr_feat.shape[-2:], hr_feat.shape[-2:], ratio)
    for size in sizes:
        yield F.adaptive_avg_pool2d(hr_feat, size)
    yield hr_feat
