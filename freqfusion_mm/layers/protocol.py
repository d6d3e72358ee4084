"""The two protocols that necks and heads know, and the one adapter between them.

An upsampler maps `(lr_feat, hr_feat=None)` to one tensor; a fusion maps `(lr_feat, hr_feat)` to `(lr_up, hr_feat)`.
Both leave the channels as they are and return `lr_up` at the size of `hr_feat`, whatever the two sizes are.
"""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.functorch import transforming
from ..ops.library import compiling
from .inside import Inside
from .recomputation import recomputed


class _Layer(nn.Module):
    """What a caller may ask of the class, before there is a layer.

    Attributes:
        direct: True where any ratio is one direct step (interpolation); False where the layer has a ratio of its own
            and repeats itself, with the same weights, for higher ones.
        guided: whether the values of `hr_feat` matter, not its size alone.
        follows: options that take the value of the model around the layer where the config does not name them.
        option_aliases: other names of options, as mmcv's, that `upsample_cfg` takes.
        with_cp: whether activations are made again in the backward pass, in place of being kept for it.
    """

    direct: bool = False
    guided: bool = False
    follows: ClassVar[tuple[str, ...]] = ()
    option_aliases: ClassVar[dict[str, str]] = {}
    with_cp: bool = False

    def extra_repr(self) -> str:
        """The channels and the options, as the constructor takes them."""
        options = {name: getattr(self, name, self) for name in inspect.signature(type(self)).parameters}
        return ', '.join(f'{k}={v!r}' for k, v in options.items() if not isinstance(v, nn.Module))

    def inside(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Inside | None:
        """What `forward` decides for each fine pixel, in its last step; None where it decides nothing."""
        return None


class Upsampler(_Layer):
    """Base of the upsamplers: `forward(lr_feat, hr_feat=None) -> lr_up`."""


class GuidedUpsampler(Upsampler):
    """Base of the upsamplers that `hr_feat` guides.

    A layer of the ratio 2 defines `step`, which goes once up, to at most twice the size. Ratios above take several
    steps with the same weights, guided by `hr_feat` average-pooled to the size of each. One that reaches any ratio
    defines `upsample`.
    """

    guided = True

    def __init__(self, lr_channels: int, hr_channels: int, with_cp: bool = False) -> None:
        super().__init__()
        self.lr_channels = lr_channels
        self.hr_channels = hr_channels
        self.with_cp = with_cp

    def step(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        """[B, lr_channels, h, w] to the size of `guide` [B, hr_channels, H, W]."""
        raise NotImplementedError

    def forward(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Tensor:
        """Upsample.

        Args:
            lr_feat: [B, lr_channels, h, w].
            hr_feat: [B, hr_channels, H, W], at least as large. Needed: it is the guide.

        Returns:
            [B, lr_channels, H, W] in the dtype and the memory format of `lr_feat`.

        Raises:
            ValueError: no guide; maps that are not 4-D, of no pixel, of other channels or batch sizes, or in the wrong
                order.
            TypeError: maps and weights of several dtypes, outside autocast.
        """
        check_pair(self, lr_feat, hr_feat)
        check_dtypes(self, lr_feat, hr_feat)
        if no_samples(lr_feat):
            return self.upsample_nothing(lr_feat, hr_feat)
        return keep_layout(recomputed(self, self.upsample, lr_feat, hr_feat), lr_feat)

    def upsample(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        """`forward` without its checks."""
        for guide in step_guides(lr_feat, hr_feat):
            lr_feat = self.step(lr_feat, guide)
        return lr_feat

    def inside(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Inside | None:
        if type(self).step_inside is GuidedUpsampler.step_inside:  # and maybe no `step` either
            return None
        *earlier, guide = step_guides(lr_feat, hr_feat)
        for each in earlier:
            lr_feat = self.step(lr_feat, each)
        return self.step_inside(lr_feat, guide)

    def step_inside(self, lr_feat: Tensor, guide: Tensor) -> Inside | None:
        """`inside` of `step`."""
        return None

    def upsample_nothing(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        """`upsample` of a batch of none."""
        return self.upsample(with_sample(lr_feat), with_sample(hr_feat))[:0]


class Fusion(_Layer):
    """Base of the fusions: `forward(lr_feat, hr_feat) -> (lr_up, hr_feat)`.

    Attributes:
        resample_groups: channel groups of `lr_up` that were resampled apart, which a concatenation has to keep together
            (see `interleave_concat`); 1 where there is nothing to keep.
    """

    guided = True
    resample_groups: int = 1


class UpsamplerFusion(Fusion):
    """Makes a fusion of an upsampler: `hr_feat` passes unchanged.

    Raises:
        ValueError: in `forward`, an upsampler that does not return the channels of `lr_feat` at the size of `hr_feat`.
    """

    def __init__(self, upsampler: nn.Module) -> None:
        super().__init__()
        self.upsampler = upsampler
        self.direct = getattr(upsampler, 'direct', False)
        self.guided = getattr(upsampler, 'guided', True)

    def forward(self, lr_feat: Tensor, hr_feat: Tensor) -> tuple[Tensor, Tensor]:
        lr_up = self.upsampler(lr_feat, hr_feat)
        traced = compiling() or torch.jit.is_tracing()  # sizes are not compared there: they may be free
        if not traced and hr_feat is not None:
            check_result(self.upsampler, lr_up, (*lr_feat.shape[:2], *hr_feat.shape[-2:]))
        return lr_up, hr_feat

    def inside(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Inside | None:
        look = getattr(self.upsampler, 'inside', None)  # a class of one's own need not have it
        return None if look is None else look(lr_feat, hr_feat)


def interleave_concat(hr_feat: Tensor, lr_up: Tensor, groups: int = 1) -> Tensor:
    """Concatenate the channels of two maps group by group: `hr_0, lr_0, hr_1, lr_1, ...`.

    A later fusion resamples its input in contiguous channel groups; interleaving keeps each group of `lr_up` together
    with its share of `hr_feat`. Source: SegNeXt head of the FreqFusion repository (3fb0c70). `groups=1` is
    `torch.cat([hr_feat, lr_up], dim=1)`.

    Args:
        hr_feat, lr_up: [B, C1, H, W], [B, C2, H, W]; `groups` divides C1 and C2.

    Returns:
        [B, C1 + C2, H, W].
    """
    if groups < 1 or hr_feat.shape[1] % groups or lr_up.shape[1] % groups:
        raise ValueError(
            f'groups must divide both channel numbers, got groups={groups} for {hr_feat.shape[1]} and '
            f'{lr_up.shape[1]} channels'
        )
    batch, _, height, width = hr_feat.shape  # not unflatten, which fixes the sizes in ONNX
    grouped = [
        feat.reshape(batch, groups, feat.shape[1] // groups, height, width)  # not -1, of which a batch of none has any
        for feat in (hr_feat, lr_up)
    ]
    return torch.cat(grouped, dim=2).flatten(1, 2)


def check_pair(layer: nn.Module, lr_feat: Tensor, hr_feat: Tensor | None) -> None:
    """One clear error for a pair of maps that a guided layer cannot take; a batch of none is one that it can."""
    if hr_feat is None:
        raise ValueError(
            f'{type(layer).__name__} is guided and needs hr_feat, the map at the size to reach; for an upsampling '
            "without guide choose another, e.g. 'bilinear' or 'carafe'"
        )
    for name, feat, channels in (('lr_feat', lr_feat, layer.lr_channels), ('hr_feat', hr_feat, layer.hr_channels)):
        if feat.dim() != 4 or 0 in feat.shape[-2:]:
            raise ValueError(f'{name} must be a non-empty map [B, {channels}, H, W], got shape {tuple(feat.shape)}')
        if feat.shape[1] != channels:
            raise ValueError(
                f'{name} must have {channels} channels, got {feat.shape[1]} (shape {tuple(feat.shape)}); '
                'the order of the arguments is (lr_feat, hr_feat), low resolution first'
            )
    if lr_feat.shape[0] != hr_feat.shape[0]:
        raise ValueError(f'lr_feat and hr_feat must have one batch size, got {lr_feat.shape[0]} and {hr_feat.shape[0]}')
    check_sizes(lr_feat, hr_feat)


def check_result(layer: nn.Module, lr_up: Tensor, shape: tuple[int, ...]) -> None:
    """One clear error for what a layer of somebody else's returns, where it is no map of this shape."""
    got = tuple(lr_up.shape) if isinstance(lr_up, Tensor) else type(lr_up).__name__
    if got != shape:
        both = '; a layer that returns both maps is a freqfusion_mm.layers.Fusion: derive it' * isinstance(lr_up, tuple)
        raise ValueError(
            f'{type(layer).__name__} must return a map of shape {shape}, the channels of lr_feat at the size of '
            f'hr_feat, got {got}{both}'
        )


def check_sizes(lr_feat: Tensor, hr_feat: Tensor) -> None:
    """One clear error for two maps in the wrong order."""
    if hr_feat.shape[-2] < lr_feat.shape[-2] or hr_feat.shape[-1] < lr_feat.shape[-1]:
        raise ValueError(
            f'hr_feat must be at least as large as lr_feat, got {tuple(hr_feat.shape[-2:])} and '
            f'{tuple(lr_feat.shape[-2:])}; the order of the arguments is (lr_feat, hr_feat)'
        )


def no_samples(feat: Tensor) -> bool:
    """Whether a batch holds nothing, as of proposals or crops."""
    return isinstance(feat.shape[0], int) and feat.shape[0] == 0  # exporters pass symbols


def with_sample(feat: Tensor) -> Tensor:
    """A batch of none as one of a map of zeros. Cut off behind a layer, it leaves every weight a gradient, of zeros."""
    return torch.cat([feat, feat.new_zeros(1, *feat.shape[1:])])


def check_dtypes(layer: nn.Module, *maps: Tensor) -> None:
    """One clear error for maps and weights of several dtypes, outside autocast."""
    if compiling() or autocasting(maps[0]):
        return
    weight = next(layer.parameters(), None)
    dtypes = [feat.dtype for feat in maps] + ([] if weight is None else [weight.dtype])
    if len(set(dtypes)) > 1:
        names = ['lr_feat', 'hr_feat'][: len(maps)] + ['the weights']
        raise TypeError(
            f'{type(layer).__name__} wants maps and weights of one dtype, got '
            f'{", ".join(f"{dtype} for {name}" for name, dtype in zip(names, dtypes))}: convert them, or run the model '
            'under torch.autocast'
        )


def autocasting(feat: Tensor) -> bool:
    """Whether autocast chooses the dtypes of torch's own operators on the device of a map."""
    if feat.is_meta:  # a map of a size alone: torch has no autocast there, and says so by an error
        return False
    try:
        return torch.is_autocast_enabled(feat.device.type)
    except TypeError:  # torch before 2.4
        return torch.is_autocast_enabled() if feat.is_cuda else torch.is_autocast_cpu_enabled()


def without_autocast(feat: Tensor) -> AbstractContextManager:
    """Where autocast leaves torch's own operators alone, on the device of a map."""
    return nullcontext() if feat.is_meta else torch.autocast(feat.device.type, enabled=False)


def keep_layout(out: Tensor, feat: Tensor) -> Tensor:
    """`out` channels last where `feat` is, else as it came."""
    _, channels, height, width = feat.shape
    if transforming() or torch.onnx.is_in_onnx_export() or feat.stride(1) != 1 or channels == 1 or height * width == 1:
        return out
    return out.contiguous(memory_format=torch.channels_last)


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
