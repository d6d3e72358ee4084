"""Similarity to neighbours, whose gradient each pixel gathers: nothing but the map is kept for it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .reference import lengths, shift
from .reference import neighbour_similarity as forward

__all__ = ['backward', 'forward', 'why_not']


def why_not(*args) -> None:
    """It runs everywhere."""


def backward(grad: Tensor, features: Tensor, dilation: int, *, needs: Sequence[bool]) -> tuple[Tensor]:
    """What a pixel receives from a neighbour is the neighbour's unit vector times both gradients of their similarity;
    the part along the pixel's own vector changes nothing but its length, and is taken off.
    """
    dtype = torch.promote_types(features.dtype, torch.float32)
    grad, features = grad.to(dtype), features.to(dtype)
    length = lengths(features)
    unit = features / length
    padded, padded_grad = (F.pad(tensor, (dilation,) * 4) for tensor in (unit, grad))
    steps = (-dilation, 0, dilation)
    received = torch.zeros_like(unit)
    for tap, (dy, dx) in enumerate((dy, dx) for dy in steps for dx in steps if dy or dx):
        both = grad[:, tap] + shift(padded_grad[:, 7 - tap], dy, dx, dilation)
        received.addcmul_(both[:, None], shift(padded, dy, dx, dilation))
    along = unit * (unit * received).sum(dim=1, keepdim=True)
    return ((received - along) / length,)
