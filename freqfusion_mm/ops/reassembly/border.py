"""Where a window lies, and what it reads outside the map: the rules that the definitions and the ways on CPUs share."""

import torch
import torch.nn.functional as F
from torch import Tensor

PADDINGS = ('zeros', 'reflect', 'replicate')


def window_cells(size: int, kernel_size: int) -> int:
    """Places of a window along an axis: its pixels, or the corners between and around them.

    An odd window sits on a pixel. An even one sits on a corner between pixels, of which there are one more: corner p
    reads the pixels p - k/2 ... p + k/2 - 1. Which fine pixel reads which window: `fine_axes.FineAxes`.
    """
    return size + 1 - kernel_size % 2


def border_index(index: Tensor, size: int, padding: str) -> Tensor:
    """Where an index that may lie outside is read: mirrored without repeating the edge as often as it takes, or
    moved to the edge.
    """
    if padding != 'reflect' or size == 1:
        return index.clamp(0, size - 1)
    index = index % (2 * size - 2)
    return torch.minimum(index, 2 * size - 2 - index)


def pad_border(features: Tensor, radius: int, padding: str) -> Tensor:
    """A map with its border, `radius` wide."""
    if padding == 'zeros':
        return F.pad(features, (radius,) * 4)
    rows, cols = (
        border_index(torch.arange(-radius, size + radius, device=features.device), size, padding)
        for size in features.shape[-2:]
    )
    return features.index_select(-2, rows).index_select(-1, cols)


def pad_border_adjoint(grad: Tensor, size: torch.Size, radius: int, padding: str) -> Tensor:
    """Transpose of `pad_border`: what each padded pixel received goes back to the pixel that it was read from."""
    h, w = size
    if padding == 'zeros':
        return grad[..., radius : radius + h, radius : radius + w]
    rows, cols = (border_index(torch.arange(-radius, n + radius, device=grad.device), n, padding) for n in size)
    grad = grad.new_zeros(*grad.shape[:-2], h, grad.shape[-1]).index_add_(-2, rows, grad)
    return grad.new_zeros(*grad.shape[:-1], w).index_add_(-1, cols, grad)
