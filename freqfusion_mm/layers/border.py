"""Repeated borders."""

from collections.abc import Sequence

import torch
from torch import Tensor


def repeat_border(x: Tensor, pad: Sequence[int]) -> Tensor:
    """`F.pad(x, pad, mode='replicate')`, whose backward pass fails under `torch.compile` where gradients are channels
    last (torch 2.13).

    Args:
        x: [N, C, H, W].
        pad: left, right, top, bottom.
    """
    left, right, top, bottom = pad
    for dim, before, after in ((-2, top, bottom), (-1, left, right)):
        if before or after:
            first, last = x.narrow(dim, 0, 1), x.narrow(dim, x.shape[dim] - 1, 1)
            x = torch.cat([first] * before + [x] + [last] * after, dim)
    return x
