"""Cosine similarity of every pixel to its eight dilated neighbours."""

import torch
import torch.nn.functional as F
from torch import Tensor


def neighbour_similarity(features: Tensor, dilation: int = 2) -> Tensor:
    """Cosine similarity of each pixel to the 3 x 3 neighbourhood around it, without the centre.

    Paper: FreqFusion (TPAMI 2024), local similarity of the offset generator.

    Convention:
        Channel order is row by row of the window: (-d,-d), (-d,0), (-d,d), (0,-d), (0,d), (d,-d), (d,0), (d,d).
        A neighbour outside the map counts as the zero vector, so its similarity is zero. Norms are clamped at 1e-8,
        as in `torch.nn.functional.cosine_similarity`.
        Similarity is symmetric, so four directions are computed and the opposite four are the same maps, shifted.

    Args:
        features: [N, C, H, W].
        dilation: distance d of the neighbours in pixels.

    Returns:
        [N, 8, H, W] in the dtype of `features`.

    Example:
        >>> neighbour_similarity(torch.ones(1, 4, 5, 5))[0, :, 2, 2].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    if features.dim() != 4:
        raise ValueError(f'features must be [N, C, H, W], got shape {tuple(features.shape)}')
    if dilation < 1:
        raise ValueError(f'dilation must be at least 1, got {dilation}')
    dtype = torch.promote_types(features.dtype, torch.float32)  # half precision overflows in the squared norm
    unit = F.normalize(features.to(dtype), dim=1, eps=1e-8)
    padded = F.pad(unit, (dilation, ) * 4)
    later = [(unit * _shift(padded, dy, dx, dilation)).sum(dim=1)
             for dy, dx in ((0, dilation), (dilation, -dilation), (dilation, 0), (dilation, dilation))]
    offsets = ((0, -dilation), (-dilation, dilation), (-dilation, 0), (-dilation, -dilation))
    earlier = [_shift(F.pad(similarity, (dilation, ) * 4), dy, dx, dilation)
               for similarity, (dy, dx) in zip(later, offsets)]
    return torch.stack(earlier[::-1] + later, dim=1).to(features.dtype)


def _shift(padded: Tensor, dy: int, dx: int, pad: int) -> Tensor:
    """View of the padded map in which pixel (Y, X) holds pixel (Y + dy, X + dx)."""
    height, width = padded.shape[-2] - 2 * pad, padded.shape[-1] - 2 * pad
    return padded[..., pad + dy:pad + dy + height, pad + dx:pad + dx + width]
