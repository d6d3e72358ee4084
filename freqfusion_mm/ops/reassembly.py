"""What local reassembly means: the definition in plain indexing, and the border rules that every way to it shares.

See `freqfusion_mm.ops.carafe` for the contract.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import source_index

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
    moved to the edge."""
    if padding != 'reflect' or size == 1:
        return index.clamp(0, size - 1)
    index = index % (2 * size - 2)
    return torch.minimum(index, 2 * size - 2 - index)


def reassemble_reference(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """The definition, differentiable any number of times. It is also what ONNX gets, hence nothing but plain operators,
    and no number that would be fixed at the traced sizes."""
    n, c, h, w = features.shape
    height, width = masks.shape[-2:]
    radius, device = kernel_size // 2, features.device
    masks = masks.view(n, groups, kernel_size, kernel_size, height, width)
    out = features.new_zeros(n, groups, c // groups, height, width)
    row_taps, col_taps = ([_window_index(coarse, window_cells(coarse, kernel_size), fine, offset, padding, device)
                           for offset in range(-radius, kernel_size - radius)]
                          for coarse, fine in ((h, height), (w, width)))
    for i, (rows, row_inside) in enumerate(row_taps):
        strip = features.index_select(-2, rows)
        for j, (cols, col_inside) in enumerate(col_taps):
            neighbours = strip.index_select(-1, cols).reshape(n, groups, c // groups, height, width)
            if padding == 'zeros':
                neighbours = neighbours * (row_inside[:, None] & col_inside)
            out = out + masks[:, :, None, i, j] * neighbours
    return out.reshape(n, c, height, width).to(features.dtype)


def pad_border(features: Tensor, radius: int, padding: str) -> Tensor:
    if padding == 'zeros':
        return F.pad(features, (radius, ) * 4)
    rows, cols = (_border_index(torch.arange(-radius, size + radius, device=features.device), size, padding)
                  for size in features.shape[-2:])
    return features.index_select(-2, rows).index_select(-1, cols)


def pad_border_adjoint(grad: Tensor, size: torch.Size, radius: int, padding: str) -> Tensor:
    """Transpose of `pad_border`: what each padded pixel received goes back to the pixel that it was read from."""
    h, w = size
    if padding == 'zeros':
        return grad[..., radius:radius + h, radius:radius + w]
    rows, cols = (_border_index(torch.arange(-radius, n + radius, device=grad.device), n, padding) for n in size)
    grad = grad.new_zeros(*grad.shape[:-2], h, grad.shape[-1]).index_add_(-2, rows, grad)
    return grad.new_zeros(*grad.shape[:-1], w).index_add_(-1, cols, grad)
