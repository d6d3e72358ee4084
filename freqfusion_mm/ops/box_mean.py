"""Mean over square windows, at a cost that grows with the radius as a rim of the map does."""

from collections.abc import Sequence
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import Operator
from .library import empty_map


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Mean over the square window around each pixel, cut at the border.

    Differences of running totals, in float32 or better: a value that is not finite spoils every mean to its right and
    below. Windows are symmetric, so the gradient is a sum over the same windows.

    Args:
        x: [N, C, H, W], any float dtype.
        radius: the window is `2 * radius + 1` wide.

    Returns:
        [N, C, H, W] in the dtype of `x`. Differentiable any number of times.

    Example:
        >>> box_mean(torch.arange(4.).view(1, 1, 1, 4), radius=1).flatten().tolist()
        [0.5, 1.0, 2.0, 2.5]
    """
    if x.dim() != 4:
        raise ValueError(f'x must be [N, C, H, W], got shape {tuple(x.shape)}')
    if not x.is_floating_point():
        raise TypeError(f'x must be floating point, got {x.dtype}')
    if 0 in x.shape[-2:]:
        raise ValueError(f'x must have a pixel, got shape {tuple(x.shape)}')
    if radius < 0:
        raise ValueError(f'radius must not be negative, got {radius}')
    return _box_mean(x, radius)


def _definition(x: Tensor, radius: int) -> Tensor:
    sums = _box_sum(x.to(torch.promote_types(x.dtype, torch.float32)), radius)
    return (sums / _pixels(sums, radius)).to(x.dtype)


def _backward(grad: Tensor, x: Tensor, radius: int, *, needs: Sequence[bool]) -> tuple[Tensor]:
    grad = grad.to(torch.promote_types(x.dtype, torch.float32))
    return (_box_sum(grad / _pixels(grad, radius), radius),)


def _box_sum(x: Tensor, radius: int) -> Tensor:
    if x.is_cuda and torch.are_deterministic_algorithms_enabled():  # where torch refuses running totals of floats
        return _tap_sum(x, radius)
    for dim in (-2, -1):
        size, total = x.shape[dim], x.cumsum(dim)
        through = torch.cat([total] + [total.narrow(dim, size - 1, 1)] * radius, dim)  # [.., size + radius, ..]
        before = F.pad(total, (*(0, 0) * (-1 - dim), radius + 1, 0))  # [.., size + radius + 1, ..]
        x = through.narrow(dim, radius, size) - before.narrow(dim, 0, size)
    return x


def _tap_sum(x: Tensor, radius: int) -> Tensor:
    """`_box_sum` one neighbour after the other."""
    for dim in (-2, -1):
        size, reach = x.shape[dim], min(radius, x.shape[dim] - 1)
        padded = F.pad(x, (*(0, 0) * (-1 - dim), reach, reach))
        x = sum(padded.narrow(dim, tap, size) for tap in range(2 * reach + 1))
    return x


def _pixels(x: Tensor, radius: int) -> Tensor:
    """How many pixels each window holds, [H, W]."""
    sides = []
    for size in x.shape[-2:]:
        centre = torch.arange(size, device=x.device, dtype=x.dtype)
        sides.append((centre + radius).clamp(max=size - 1) - (centre - radius).clamp(min=0) + 1)
    return sides[0][:, None] * sides[1]


def _fake(x: Tensor, radius: int) -> Tensor:
    return empty_map(x, x.shape)


_box_mean = Operator(
    'box_mean',
    'Tensor x, SymInt radius',
    definition=_definition,
    fake=_fake,
    implementations={'totals': SimpleNamespace(why_not=lambda *args: None, forward=_definition, backward=_backward)},
    maps=1,
)
