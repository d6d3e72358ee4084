"""Layers as users write them in plain torch, to compare precision with. Values are the package's, up to rounding.

`Replaced(WRITTEN_OUT)` puts plain formulations in the place of torch's own functions, `ops.implementation(OPERATORS)`
in the place of the package's operators. The layers that compute in another way than they are defined have their
formula below.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from freqfusion_mm.layers import LiftDownPool, LiftUpPool
from tools.benchmark import unfold_formulation


class Replaced(TorchFunctionMode):
    """While it is open, calls of some functions of torch go to others."""

    def __init__(self, functions: dict[Callable, Callable]) -> None:
        super().__init__()
        self.functions = functions

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.functions.get(func, func)(*args, **kwargs or {})


# ---------------------------------------------------------------- torch's functions


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1, groups: int = 1
) -> Tensor:
    """Windows unfolded, times a matrix."""
    size = F.conv2d(x[:1, :1], weight[:1, :1].to(x), None, stride, padding, dilation).shape[-2:]
    columns = F.unfold(x, weight.shape[-2:], dilation, padding, stride).unflatten(1, (groups, -1))
    out = weight.flatten(1).unflatten(0, (groups, -1)) @ columns
    out = out.flatten(1, 2).unflatten(-1, tuple(size))
    return out if bias is None else out + bias.to(out.dtype)[:, None, None]


def conv_transpose2d(
    x: Tensor, weight: Tensor, bias: Tensor, stride, padding, output_padding, groups: int, dilation
) -> Tensor:
    """A matrix times the pixels, folded to overlapping windows."""
    size = [
        (n - 1) * s - 2 * p + k + extra
        for n, s, p, k, extra in zip(x.shape[-2:], stride, padding, weight.shape[-2:], output_padding)
    ]
    columns = weight.flatten(1).T @ x.flatten(2)
    return F.fold(columns, size, weight.shape[-2:], dilation, padding, stride) + bias.to(columns.dtype)[:, None, None]


def avg_pool2d(
    x: Tensor,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Windows unfolded, and their mean; for sizes that the windows fill."""
    stride = stride or kernel_size
    windows = F.unfold(x, kernel_size, padding=padding, stride=stride).unflatten(1, (x.shape[1], -1))
    return windows.mean(dim=2).unflatten(-1, [(n + 2 * padding - kernel_size) // stride + 1 for n in x.shape[-2:]])


def by_matrices(resize: Callable) -> Callable:
    """A linear map of each axis, as a product with the matrix that it makes of unit vectors."""

    def plain(x, size=None, scale_factor=None, **options):
        size = size or [int(n * scale_factor) for n in x.shape[-2:]]
        rows, cols = (
            resize(torch.eye(n, dtype=torch.float64).view(1, n, n, 1), (fine, 1), **options)[0, ..., 0].T
            for n, fine in zip(x.shape[-2:], (size, size) if isinstance(size, int) else size)
        )
        with torch.autocast('cpu', enabled=False):
            return rows.to(x.dtype) @ x @ cols.to(x.dtype).T

    return plain


def softplus(x: Tensor, inplace: bool = False) -> Tensor:
    return F.softplus(x)


def smooth_sample(x: Tensor, grid: Tensor, mode: str, **options) -> Tensor:
    return F.grid_sample(x, grid, mode='bicubic' if grid.requires_grad else mode, **options)


#: At a kink, one rounding decides which of two gradients is right. Precision is compared without.
SMOOTH = {
    **dict.fromkeys((F.relu, torch.relu, torch.relu_, torch.Tensor.relu), softplus),
    torch.prelu: lambda x, slope: slope[:, None, None] * x + (1 - slope)[:, None, None] * F.softplus(x),
    F.grid_sample: smooth_sample,
}
WRITTEN_OUT = {
    F.conv2d: conv2d,
    F.conv_transpose2d: conv_transpose2d,
    F.avg_pool2d: avg_pool2d,
    F.interpolate: by_matrices(F.interpolate),
    F.adaptive_avg_pool2d: by_matrices(F.adaptive_avg_pool2d),
}


def neighbour_similarity(features: Tensor, dilation: int = 2) -> Tensor:
    """That of the benchmark, with cosines in float32, as under autocast on GPUs: float16 divides by 0."""
    windows = F.unfold(features, 3, dilation=dilation, padding=dilation).unflatten(1, (features.shape[1], 9))
    windows = windows.unflatten(-1, tuple(features.shape[-2:])).float()
    similarity = F.cosine_similarity(windows, windows[:, :, 4:5], dim=1).to(features.dtype)
    return torch.cat([similarity[:, :4], similarity[:, 5:]], dim=1)


#: The benchmark's baselines, for `freqfusion_mm.ops.implementation`.
OPERATORS = {**unfold_formulation.OPS, 'neighbour_similarity': neighbour_similarity}


# ---------------------------------------------------------------- layers


def paired_difference(layer: nn.Module, key: Tensor, query: Tensor, dilation: tuple[int, int]) -> Tensor:
    """Every difference, then the weights."""
    n, c, height, width = key.shape
    padded = F.pad(key, (dilation[1],) * 2 + (dilation[0],) * 2, mode='replicate')
    windows = F.unfold(padded, 3, dilation=dilation).unflatten(1, (c, 9)).unflatten(-1, (height, width))
    differences = (windows - query[:, :, None]).reshape(n, layer.groups, -1, height * width)
    out = layer.weight.flatten(1).unflatten(0, (layer.groups, -1)) @ differences
    return out.flatten(1, 2).unflatten(-1, (height, width)) + layer.bias.to(out.dtype)


def guided_filter(layer: nn.Module, guide: Tensor, target: Tensor) -> Tensor:
    """The means by average pooling, in the precision of the maps."""

    def mean(x):
        return F.avg_pool2d(x, 2 * radius + 1, 1, radius) / F.avg_pool2d(torch.ones_like(x), 2 * radius + 1, 1, radius)

    s = layer.subsample
    radius = layer.radius // s
    coarse_guide, coarse_target = guide[..., ::s, ::s], target[..., ::s, ::s]
    mean_guide, mean_target = mean(coarse_guide), mean(coarse_target)
    variance = mean(coarse_guide * coarse_guide) - mean_guide * mean_guide
    slope = (mean(coarse_guide * coarse_target) - mean_guide * mean_target) / (variance + layer.eps)
    slope, intercept = (
        F.interpolate(mean(x), guide.shape[-2:], mode='bilinear') for x in (slope, mean_target - slope * mean_guide)
    )
    return slope * guide + intercept


def lifts(lifting: nn.Module, feat: Tensor) -> list[Tensor]:
    """The lifting scheme in the precision of the map: its four bands."""

    def lift(x, vertical):
        even, odd = (x[..., 0::2, :], x[..., 1::2, :]) if vertical else (x[..., 0::2], x[..., 1::2])
        detail = odd - lifting.predictor(even, vertical)
        return even + lifting.updater(detail, vertical), detail

    coarse, detail = lift(feat, False)
    return [*lift(coarse, True), *lift(detail, True)]


def unlifts(lifting: nn.Module, ll: Tensor, lh: Tensor, hl: Tensor, hh: Tensor) -> Tensor:

    def unlift(coarse, detail, vertical):
        even = coarse - lifting.updater(detail, vertical)
        dim = 3 if vertical else 4
        return torch.stack([even, detail + lifting.predictor(even, vertical)], dim=dim).flatten(dim - 1, dim)

    return unlift(unlift(ll, lh, True), unlift(hl, hh, True), False)


def lift_pool(layer: nn.Module, feat: Tensor) -> Tensor:
    bands = lifts(layer.lifting, feat)
    return bands[0] if layer.output == 'low' else sum(bands)


class Lifted(nn.Module):
    """LiftPool and the unpooling of what it hands on, with filters of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = LiftDownPool(channels)
        self.unpool = LiftUpPool(channels)

    def forward(self, feat: Tensor) -> Tensor:
        pooled, bands = self.pool.split(feat)
        return self.unpool(pooled, bands)

    def plain(self, feat: Tensor) -> Tensor:
        ll, lh, hl, hh = lifts(self.pool.lifting, feat)
        return unlifts(self.unpool.lifting, ll + lh + hl + hh, lh, hl, hh)
