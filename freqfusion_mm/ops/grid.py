"""How a fine grid reads a coarse one: the index rules of the package, and nearest resizing by them."""

import torch
from torch import Tensor


def source_index(coarse: int, fine: int, device: torch.device | None = None) -> Tensor:
    """Coarse pixel that each fine pixel lies in: `floor(Y * coarse / fine)`, in exact integer arithmetic.

    Equals `Y // s` where the ratio s is whole, and is defined for every other pair of sizes as well.

    Returns:
        int64 tensor [fine].
    """
    return torch.arange(fine, device=device) * coarse // fine


def corner_and_phase(coarse: int, fine: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Where each fine pixel's centre `y = (Y + 1/2) * coarse/fine - 1/2` lies between coarse pixels, in exact integer
    arithmetic.

    Returns:
        `floor(y) + 1`, the corner around the coarse pixels (0 to `coarse`), and `2 * fine * (y - floor(y))`, both int64
        tensors [fine].
    """
    place = (2 * torch.arange(fine, device=device) + 1) * coarse + fine
    corner = place // (2 * fine)
    return corner, place - 2 * fine * corner


def resize_nearest(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize by reading the coarse pixel that each fine pixel lies in.

    Convention:
        `out[..., Y, X] = features[..., floor(Y*h/H), floor(X*w/W)]`. The index is exact, whereas
        `torch.nn.functional.interpolate(mode='nearest')` rounds `h/H` first and is off by one pixel at some sizes.

    Args:
        features: [..., h, w].
        size: (H, W).

    Returns:
        [..., H, W]; `features` itself where the size is already right.

    Example:
        >>> resize_nearest(torch.arange(3.).view(1, 1, 1, 3), (1, 5)).flatten().tolist()
        [0.0, 0.0, 1.0, 1.0, 2.0]
    """
    for dim, fine in zip((-2, -1), size):
        coarse = features.shape[dim]
        known = isinstance(coarse, int) and isinstance(fine, int)  # exporters pass symbols, which are not to be fixed
        if known and coarse == fine:
            continue
        if known and fine % coarse == 0:
            features = features.repeat_interleave(fine // coarse, dim)
        else:
            features = features.index_select(dim, source_index(coarse, fine, features.device))
    return features
