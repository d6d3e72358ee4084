"""What the similarity to neighbours means: see `neighbour_similarity`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def neighbour_similarity(features: Tensor, dilation: int) -> Tensor:
    """Similarity is symmetric: four directions are computed, the opposite four are the same maps, shifted."""
    dtype = torch.promote_types(features.dtype, torch.float32)  # half precision overflows in the squared norm
    wide = features.to(dtype)
    unit = wide / lengths(wide)
    padded = F.pad(unit, (dilation,) * 4)
    later = [
        (unit * shift(padded, dy, dx, dilation)).sum(dim=1)
        for dy, dx in ((0, dilation), (dilation, -dilation), (dilation, 0), (dilation, dilation))
    ]
    offsets = ((0, -dilation), (-dilation, dilation), (-dilation, 0), (-dilation, -dilation))
    earlier = [
        shift(F.pad(similarity, (dilation,) * 4), dy, dx, dilation) for similarity, (dy, dx) in zip(later, offsets)
    ]
    return torch.stack(earlier[::-1] + later, dim=1).to(features.dtype)


def lengths(features: Tensor) -> Tensor:
    """[N, 1, H, W] to divide by: infinite where a vector counts as zero, which has no gradient then."""
    squares = features.square().sum(dim=1, keepdim=True)
    none = squares <= 1e-16
    # before the root, whose derivatives at zero are infinite
    return squares.masked_fill(none, 1).sqrt().masked_fill(none, math.inf)


def shift(padded: Tensor, dy: int, dx: int, pad: int) -> Tensor:
    """View of the padded map in which pixel (Y, X) holds pixel (Y + dy, X + dx)."""
    height, width = padded.shape[-2] - 2 * pad, padded.shape[-1] - 2 * pad
    return padded[..., pad + dy : pad + dy + height, pad + dx : pad + dx + width]
