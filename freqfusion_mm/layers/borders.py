"""Repeated borders, maps of whole 2 x 2 squares for layers with a stride of two, and the way back to a size."""

from collections.abc import Sequence

import torch
from torch import Tensor


def repeat_border(x: Tensor, pad: Sequence[int]) -> Tensor:
    """`F.pad(x, pad, mode='replicate')`, whose backward pass fails under `torch.compile` where gradients are channels
    last (torch 2.13).

    Args:
        x: [B, C, H, W].
        pad: left, right, top, bottom.
    """
    left, right, top, bottom = pad
    for dim, before, after in ((-2, top, bottom), (-1, left, right)):
        if before or after:
            first, last = x.narrow(dim, 0, 1), x.narrow(dim, x.shape[dim] - 1, 1)
            x = torch.cat([first] * before + [x] + [last] * after, dim)
    return x


def repeat_to_even(x: Tensor) -> Tensor:
    """Repeat the last row and the last column once, each where their number is odd: a map of 2 x 2 squares."""
    height, width = x.shape[-2:]
    if isinstance(height, int) and isinstance(width, int):
        return repeat_border(x, (0, width % 2, 0, height % 2))
    for dim, size in ((-2, height), (-1, width)):  # exporters pass symbols, any size later
        x = x.index_select(dim, torch.arange(size + size % 2, device=x.device).clamp(max=size - 1))
    return x


def crop(x: Tensor, size: tuple[int, int]) -> Tensor:
    """The first rows and columns of a map of 2 x 2 squares: `size`, what `repeat_to_even` made it of."""
    for dim, length in zip((-2, -1), size):
        if not isinstance(length, int):  # of a slice, exporters would ask whether it is the whole
            x = x.index_select(dim, torch.arange(length, device=x.device))
        elif length != x.shape[dim]:
            x = x.narrow(dim, 0, length)
    return x
