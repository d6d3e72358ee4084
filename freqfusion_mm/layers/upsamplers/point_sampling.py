"""Reading a map at the pixel centres of a grid, each moved by an offset of its own."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...ops.functorch import transforming
from ...ops.library import compiling


def sample_with_offsets(features: Tensor, offset: Tensor, coarse: tuple[int, int]) -> Tensor:
    """Bilinear samples of `features` at the centres of the pixels of a grid plus their offsets.

    Convention:
        `align_corners=False`, border values repeated. Zero offsets give the bilinear resizing to the grid, and
        `features` themselves where the grid has their size. An offset that is no number counts as zero.

    Args:
        features: [B, C, h', w'], of any size.
        offset: [B, 2, G, H, W], x before y, for G groups of channels, in pixels of a map of the size `coarse`.
        coarse: (h, w).

    Returns:
        [B, C, H, W] in the dtype of `features`.
    """
    dtype = torch.promote_types(features.dtype, torch.float32)  # half precision cannot address a pixel
    # nan_to_num: torch's grid_sample ends the process at a place that is no number, in its backward pass on CPUs
    offset = offset.to(dtype).nan_to_num()
    height, width = offset.shape[-2:]
    x = _centres(width, features.device, dtype) + offset[:, 0] * (2 / coarse[1])
    y = _centres(height, features.device, dtype)[:, None] + offset[:, 1] * (2 / coarse[0])
    grid = torch.stack([x, y], dim=-1)  # [B, G, H, W, 2]
    sample = _sample_each_group if compiling() else _sample_groups
    return sample(features.to(dtype), grid).to(features.dtype)


def samples(features: Tensor, grid: Tensor, border: str = 'border') -> Tensor:
    """`grid_sample(align_corners=False)`, bilinear, also under the transforms of torch.func."""
    if transforming():  # torch 2.1 maps its gradients over samples by both of its arguments alone: tie one to the other
        features = features + (0 * grid.flatten()[0]).nan_to_num()
    return F.grid_sample(features, grid, mode='bilinear', padding_mode=border, align_corners=False)


def _sample_groups(features: Tensor, grid: Tensor) -> Tensor:
    """All groups at once, folded into the batch."""
    groups = grid.shape[1]
    folded = features.reshape(-1, features.shape[1] // groups, *features.shape[2:])
    moved = samples(folded, grid.flatten(0, 1))
    return moved.reshape(grid.shape[0], -1, *grid.shape[2:4])


def _sample_each_group(features: Tensor, grid: Tensor) -> Tensor:
    """The same one by one: folded into the batch, free sizes do not compile (torch 2.13)."""
    parts = zip(features.chunk(grid.shape[1], dim=1), grid.unbind(1))
    moved = [samples(*part) for part in parts]
    return torch.cat(moved, dim=1)


def _centres(size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Pixel centres in the normalised coordinates of `grid_sample(align_corners=False)`."""
    return (2 * torch.arange(size, device=device, dtype=dtype) + 1) / size - 1
