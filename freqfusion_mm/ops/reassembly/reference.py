"""What the operators of this family mean: their definitions in plain indexing.

Differentiable any number of times, in nothing but plain operators, without a number that would be fixed at traced
sizes: the newer ONNX exporter gets them. The contracts are those of the doors in the files of their names.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..grid import corner_and_phase, source_index
from .border import border_index, window_cells


def carafe(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """Every tap times the coarse pixel that it reads, summed."""
    n, c, _, _ = features.shape
    height, width = masks.shape[-2:]
    values, masks = at_least_float32(features, masks)
    masks = masks.view(n, groups, kernel_size**2, height, width)
    out = values.new_zeros(n, groups, c // groups, height, width)
    for tap, neighbours in enumerate(_neighbours(values, (height, width), kernel_size, padding)):
        out = out + masks[:, :, None, tap] * neighbours.reshape(n, groups, c // groups, height, width)
    return out.reshape(n, c, height, width).to(features.dtype)


def window_similarity(query: Tensor, key: Tensor, kernel_size: int, padding: str) -> Tensor:
    """The inner product with the coarse pixel at each tap."""
    query, key = at_least_float32(query, key)
    return torch.stack(
        [(query * neighbours).sum(dim=1) for neighbours in _neighbours(key, query.shape[-2:], kernel_size, padding)],
        dim=1,
    )


def fns_attention(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    """Every weight times its bilinear sample, summed."""
    attn, samples = at_least_float32(attn, value)
    height, width = attn.shape[-2:]
    out = samples.new_zeros(*value.shape[:2], height, width)
    for i in range(kernel_size):
        rows = _sample(samples, height, i - kernel_size // 2, -2)
        for j in range(kernel_size):
            out = out + attn[:, i * kernel_size + j, None] * _sample(rows, width, j - kernel_size // 2, -1)
    return out.to(value.dtype)


def wider_dtype(first: Tensor, second: Tensor) -> torch.dtype:
    """Of both, and float32 at least: what sums of their products are in."""
    return torch.promote_types(torch.promote_types(first.dtype, second.dtype), torch.float32)


def at_least_float32(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both in their `wider_dtype`."""
    dtype = wider_dtype(first, second)
    return first.to(dtype), second.to(dtype)


def _neighbours(features: Tensor, size: tuple[int, int], kernel_size: int, padding: str) -> Iterator[Tensor]:
    """The coarse pixel [N, C, H, W] that every fine pixel reads at each tap, row by row of the window."""
    radius = kernel_size // 2
    row_taps, col_taps = (
        [
            _window_index(coarse, window_cells(coarse, kernel_size), fine, offset, padding, features.device)
            for offset in range(-radius, kernel_size - radius)
        ]
        for coarse, fine in zip(features.shape[-2:], size)
    )
    for rows, row_inside in row_taps:
        strip = features.index_select(-2, rows)
        for cols, col_inside in col_taps:
            neighbours = strip.index_select(-1, cols)
            yield neighbours * (row_inside[:, None] & col_inside) if padding == 'zeros' else neighbours


def _window_index(coarse: int, cells: int, fine: int, offset: int, padding: str, device) -> tuple[Tensor, Tensor]:
    """Coarse index that each fine pixel reads at a window offset, and whether it lies inside the map."""
    index = source_index(cells, fine, device) + offset
    inside = (index >= 0) & (index < coarse)
    return border_index(index, coarse, padding), inside


def _sample(value: Tensor, fine: int, offset: int, dim: int) -> Tensor:
    """Linear samples along an axis, at the fine pixels' places moved by whole coarse pixels and into the map."""
    coarse = value.shape[dim]
    corner, _ = corner_and_phase(coarse, fine, value.device)
    phase = axis_phase(coarse, fine, dim, value)
    lower = corner - 1 + offset
    before, after = (value.index_select(dim, index.clamp(0, coarse - 1)) for index in (lower, lower + 1))
    return before * (1 - phase) + after * phase


def axis_phase(coarse: int, fine: int, dim: int, like: Tensor) -> Tensor:
    """`y - floor(y)` of the fine pixels' places y along an axis, in the shape to multiply `like` with."""
    _, phase = corner_and_phase(coarse, fine, like.device)
    return (phase.to(like.dtype) / (2 * fine)).view(-1, *(1,) * (-1 - dim))
