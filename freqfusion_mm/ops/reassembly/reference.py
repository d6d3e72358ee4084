"""What local reassembly means: the definition in plain indexing, and the border rules that every way to it shares.

See `freqfusion_mm.ops.carafe` for the contract.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grid import source_index

PADDINGS = ('zeros', 'reflect', 'replicate')


def window_cells(size: int, kernel_size: int) -> int:
    """Places of a window along an axis: its pixels, or the corners between and around them."""
    return size + 1 - kernel_size % 2


def _window_index(coarse: int, cells: int, fine: int, offset: int, padding: str, device) -> tuple[Tensor, Tensor]:
    """Coarse index that each fine pixel reads at a window offset, and whether it lies inside the map."""
    index = source_index(cells, fine, device) + offset
    inside = (index >= 0) & (index < coarse)
    return _border_index(index, coarse, padding), inside


def _border_index(index: Tensor, size: int, padding: str) -> Tensor:
    """Where an index that may lie outside is read: mirrored without repeating the edge as often as it takes, or
    moved to the edge.
    """
    if padding != 'reflect' or size == 1:
        return index.clamp(0, size - 1)
    index = index % (2 * size - 2)
    return torch.minimum(index, 2 * size - 2 - index)


def reassemble_reference(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """The definition, differentiable any number of times. It is also what ONNX gets, hence nothing but plain operators,
    and no number that would be fixed at the traced sizes.
    """
    n, c, _, _ = features.shape
    height, width = masks.shape[-2:]
    masks = masks.view(n, groups, kernel_size**2, height, width)
    out = features.new_zeros(n, groups, c // groups, height, width)
    for tap, neighbours in enumerate(_neighbours(features, (height, width), kernel_size, padding)):
        out = out + masks[:, :, None, tap] * neighbours.reshape(n, groups, c // groups, height, width)
    return out.reshape(n, c, height, width).to(features.dtype)


def correlate_reference(query: Tensor, key: Tensor, kernel_size: int, padding: str) -> Tensor:
    """The definition of `window_similarity`, as `reassemble_reference` is that of `carafe`."""
    return torch.stack(
        [(query * neighbours).sum(dim=1) for neighbours in _neighbours(key, query.shape[-2:], kernel_size, padding)],
        dim=1,
    )


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


def pad_border(features: Tensor, radius: int, padding: str) -> Tensor:
    if padding == 'zeros':
        return F.pad(features, (radius,) * 4)
    rows, cols = (
        _border_index(torch.arange(-radius, size + radius, device=features.device), size, padding)
        for size in features.shape[-2:]
    )
    return features.index_select(-2, rows).index_select(-1, cols)


def pad_border_adjoint(grad: Tensor, size: torch.Size, radius: int, padding: str) -> Tensor:
    """Transpose of `pad_border`: what each padded pixel received goes back to the pixel that it was read from."""
    h, w = size
    if padding == 'zeros':
        return grad[..., radius : radius + h, radius : radius + w]
    rows, cols = (_border_index(torch.arange(-radius, n + radius, device=grad.device), n, padding) for n in size)
    grad = grad.new_zeros(*grad.shape[:-2], h, grad.shape[-1]).index_add_(-2, rows, grad)
    return grad.new_zeros(*grad.shape[:-1], w).index_add_(-1, cols, grad)
