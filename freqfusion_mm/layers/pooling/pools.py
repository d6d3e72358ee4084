"""Every pooling that halves a map, and every unpooling that goes with one, by name: one line of a config each."""

import inspect
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from ..option_checks import check_windows
from ..protocol import Upsampler
from .blur_pool import BlurPool
from .carafe_pool import CARAFEPool
from .lift_pool import LiftDownPool, LiftUpPool


class MaxIndices(NamedTuple):
    """Where each maximum was found, [B, C, ceil(H/2), ceil(W/2)] int64, and the size (H, W) of the pooled map."""

    indices: Tensor
    size: tuple[int, int]


class PooledSize(NamedTuple):
    """All that a pooling without details remembers: the size (H, W) of the pooled map."""

    size: tuple[int, int]


class MaxPool(nn.Module):
    """Maximum over 2x2 pixels, `ceil(H/2) x ceil(W/2)`; remembers where the maxima were."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def forward(self, feat: Tensor) -> Tensor:
        return F.max_pool2d(feat, 2, ceil_mode=True)

    def split(self, feat: Tensor) -> tuple[Tensor, MaxIndices]:
        pooled, indices = F.max_pool2d(feat, 2, ceil_mode=True, return_indices=True)
        return pooled, MaxIndices(indices, tuple(feat.shape[-2:]))


class AveragePool(nn.Module):
    """Mean over 2x2 pixels, `ceil(H/2) x ceil(W/2)`; at an odd edge over those that there are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def forward(self, feat: Tensor) -> Tensor:
        return F.avg_pool2d(feat, 2, ceil_mode=True, count_include_pad=False)


class ConvPool(nn.Module):
    """A strided convolution that keeps the channels: `ceil(H/2) x ceil(W/2)`."""

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        check_windows(kernel_size=kernel_size)
        self.out_channels = channels
        self.conv = nn.Conv2d(channels, channels, kernel_size, stride=2, padding=kernel_size // 2)

    def forward(self, feat: Tensor) -> Tensor:
        return self.conv(feat)


class WaveletPool(LiftDownPool):
    """The LL band of a fixed wavelet: 'haar', which is the mean of 2x2 pixels, or 'legall' (5/3)."""

    def __init__(self, channels: int, wavelet: str = 'haar', output: str = 'low') -> None:
        super().__init__(channels, kernel_size=3, variant='linear', init=wavelet, output=output, trainable=False)


class MaxUnpool(Upsampler):
    """Puts each value where the maximum was found, zeros elsewhere (SegNet)."""

    def __init__(self, lr_channels: int, hr_channels: int | None = None) -> None:
        super().__init__()
        if hr_channels not in (None, lr_channels):
            raise ValueError(
                'max_unpool needs as many channels as were pooled, got '
                f'lr_channels={lr_channels}, hr_channels={hr_channels}'
            )

    def forward(self, lr_feat: Tensor, hr_feat: MaxIndices) -> Tensor:
        if not isinstance(hr_feat, MaxIndices):
            raise TypeError(f"max_unpool needs the indices of the pooling 'max', got {type(hr_feat).__name__}")
        if lr_feat.shape != hr_feat.indices.shape:
            raise ValueError(
                f'lr_feat must have the shape of what was pooled, {tuple(hr_feat.indices.shape)}, got '
                f'{tuple(lr_feat.shape)}'
            )
        height, width = hr_feat.size
        out = lr_feat.new_zeros(*lr_feat.shape[:2], height * width)
        return out.scatter(-1, hr_feat.indices.flatten(2), lr_feat.flatten(2)).unflatten(-1, (height, width))


class InterpolateUnpool(Upsampler):
    """Interpolates to the size that was pooled; goes with every pooling."""

    direct = True

    def __init__(self, lr_channels: int, hr_channels: int | None = None, mode: str = 'bilinear') -> None:
        super().__init__()
        if mode not in ('nearest', 'bilinear', 'bicubic'):
            raise ValueError(f"mode must be 'nearest', 'bilinear' or 'bicubic', got {mode!r}")
        self.mode = mode

    def forward(self, lr_feat: Tensor, hr_feat: NamedTuple) -> Tensor:
        return F.interpolate(lr_feat, hr_feat.size, mode=self.mode)


#: Every name that `pool_cfg=dict(type=...)` takes.
POOLS: dict[str, type[nn.Module]] = {
    'max': MaxPool,
    'average': AveragePool,
    'conv': ConvPool,
    'blur': BlurPool,
    'carafe': CARAFEPool,
    'wavelet': WaveletPool,
    'lift': LiftDownPool,
}
#: Every name that `unpool_cfg=dict(type=...)` takes.
UNPOOLS: dict[str, type[nn.Module]] = {
    'interpolate': InterpolateUnpool,
    'max_unpool': MaxUnpool,
    'lift': LiftUpPool,
}


def split(pool: nn.Module, feat: Tensor) -> tuple[Tensor, NamedTuple]:
    """The pooled map, and what the pooling remembers for an unpooling: always a tuple with the pooled `size`."""
    if hasattr(pool, 'split'):
        return pool.split(feat)
    return pool(feat), PooledSize(tuple(feat.shape[-2:]))


def build_pool(cfg: dict[str, Any], channels: int, keep_channels: bool = False) -> nn.Module:
    """Build a pooling that halves a map of `channels` channels from `dict(type=NAME, **options)`.

    Args:
        cfg: see `POOLS`.
        channels: of the map.
        keep_channels: refuse a pooling that makes other channels, as `output='concat'` does.

    Raises:
        TypeError: no dict with a type, or an option that the pooling does not know.
        ValueError: unknown type, or other channels where they are to be kept.

    Example:
        >>> build_pool(dict(type='lift', kernel_size=3), channels=16).out_channels
        16
    """
    pool = _build('pool_cfg', POOLS, cfg, channels=channels)
    if keep_channels and pool.out_channels != channels:
        raise ValueError(
            f'a pooling of this network must keep the {channels} channels, but {cfg!r} makes '
            f"{pool.out_channels}: for 'lift' and 'wavelet', use output='sum' or 'low'"
        )
    return pool


def build_unpool(cfg: dict[str, Any], lr_channels: int, hr_channels: int, pool: nn.Module | None = None) -> nn.Module:
    """Build an unpooling from `dict(type=NAME, **options)`.

    Args:
        cfg: for 'lift', `tied=True` shares the filters of `pool`.
        lr_channels, hr_channels: channels of the decoder's feature and of what was pooled.
        pool: the pooling that it undoes.

    Raises:
        TypeError, ValueError: as `build_pool`, and `tied=True` without a `LiftDownPool`.
    """
    if isinstance(cfg, dict) and cfg.get('type') == 'lift':
        tied = cfg.get('tied', False)
        if tied and not isinstance(pool, LiftDownPool):
            raise ValueError(f"tied=True needs the pooling 'lift' beside it, got {type(pool).__name__}")
        cfg = {**cfg, 'tied': pool if tied else None}
    return _build('unpool_cfg', UNPOOLS, cfg, lr_channels=lr_channels, hr_channels=hr_channels)


def _build(name: str, table: dict[str, type[nn.Module]], cfg: dict[str, Any], **channels: int) -> nn.Module:
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise TypeError(f"{name} must be a dict with a 'type', one of {', '.join(table)}, got {cfg!r}")
    options = dict(cfg)
    kind = options.pop('type')
    if kind not in table:
        raise ValueError(f'unknown type {kind!r} in {name}: choose one of {", ".join(table)}')
    known = [option for option in inspect.signature(table[kind]).parameters if option not in channels]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TypeError(f'{kind!r} has no option {", ".join(unknown)}: it takes {", ".join(known) or "none"}')
    return table[kind](**channels, **options)
