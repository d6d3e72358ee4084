"""What ONNX gets for this family: windows and kernels as banded matrices, one product of which does all taps.

The definitions gather every tap apart, which runtimes do slowly. Here a fine row is cut into tiles of `_TILE` pixels: a
tile, of all fine rows that share their windows, is one matrix product over the rows and columns that it reads. A coarse
row has `ceil(H/h)` slots for fine rows; those that no fine row has are computed and left out, so that one graph serves
every pair of sizes: no number of it is fixed at the traced ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grid import corner_and_phase, source_index
from .border import border_index, window_cells
from .reference import at_least_float32, axis_phase

#: Fine pixels side by side in a matrix product.
_TILE = 32


def carafe(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """Bands of kernels times windows."""
    (n, c, h, w), (height, width) = features.shape, masks.shape[-2:]
    rows, tiles = _RowSlots(h, height, kernel_size, features), _Tiles(w, width, kernel_size, features)
    windows = _windows(features, tiles, kernel_size, groups, padding)  # [N, G, h, q, k*u, C/G]
    h = window_cells(h, kernel_size)
    kernels = masks.index_select(-2, rows.fine).index_select(-1, tiles.fine)
    kernels = kernels.reshape(n, groups, kernel_size, kernel_size, h, rows.count, tiles.count, _TILE)
    kernels = kernels.permute(3, 0, 1, 4, 6, 5, 7, 2)  # [k, N, G, h, q, a, tile, k]
    bands = sum(kernels[j][..., None] * tiles.band(j) for j in range(kernel_size))  # [N, G, h, q, a, tile, k, u]
    out = bands.flatten(-2).flatten(-3, -2) @ windows  # [N, G, h, q, a*tile, C/G]
    out = out.reshape(n, groups, h, tiles.count, rows.count, _TILE, c // groups).permute(0, 2, 4, 3, 5, 1, 6)
    out = out.reshape(n, h * rows.count, tiles.count * _TILE, c)[:, :, :width]
    return out.index_select(1, rows.place).permute(0, 3, 1, 2)


def window_similarity(query: Tensor, key: Tensor, kernel_size: int, padding: str) -> Tensor:
    """Queries times windows, of which the band is taken."""
    query, key = at_least_float32(query, key)
    (n, c, h, w), (height, width) = key.shape, query.shape[-2:]
    rows, tiles = _RowSlots(h, height, kernel_size, key), _Tiles(w, width, kernel_size, key)
    windows = _windows(key, tiles, kernel_size, 1, padding)[:, 0]  # [N, h, q, k*u, C]
    query = query.permute(0, 2, 3, 1).index_select(1, rows.fine).index_select(2, tiles.fine)
    query = query.reshape(n, h, rows.count, tiles.count, _TILE, c).permute(0, 1, 3, 2, 4, 5).flatten(3, 4)
    products = query @ windows.transpose(-2, -1)  # [N, h, q, a*tile, k*u]
    products = products.reshape(n, h, tiles.count, rows.count, _TILE, kernel_size, -1)
    similarity = torch.stack([(products * tiles.band(j)).sum(dim=-1) for j in range(kernel_size)], dim=-1)
    similarity = similarity.permute(0, 5, 6, 1, 3, 2, 4)  # [N, k, k, h, a, q, tile]
    similarity = similarity.reshape(n, kernel_size**2, h * rows.count, tiles.count * _TILE)
    return similarity[..., :width].index_select(-2, rows.place)


def fns_attention(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    """The weights of samples are those of pixels, smeared by the phase: a reassembly of even windows on corners."""
    masks, samples = at_least_float32(attn, value)
    n, _, height, width = masks.shape
    masks = masks.reshape(n, kernel_size, kernel_size, height, width)  # not unflatten, which would fix the sizes
    for dim, axis in ((-2, 1), (-1, 2)):
        phase = axis_phase(value.shape[dim], masks.shape[dim], dim, masks)
        nothing = torch.zeros_like(masks.narrow(axis, 0, 1))
        masks = torch.cat([masks * (1 - phase), nothing], axis) + torch.cat([nothing, masks * phase], axis)
    return carafe(samples, masks.flatten(1, 2), kernel_size + 1, 1, 'replicate').to(value.dtype)


def _sources(coarse: int, fine: int, kernel_size: int, like: Tensor) -> Tensor:
    """The window of each fine place, [fine]: that of its coarse pixel, or an even one around the nearest corner."""
    if kernel_size % 2:
        return source_index(coarse, fine, like.device)
    return corner_and_phase(coarse, fine, like.device)[0]


class _RowSlots:
    """Fine rows, so many for every window.

    Attributes:
        count: slots of a window.
        fine: the fine row of each slot [windows * count], any one where there is none.
        place: the slot of each fine row [H].
    """

    def __init__(self, coarse: int, fine: int, kernel_size: int, like: Tensor) -> None:
        self.count = (fine + coarse - 1) // coarse
        window = torch.arange(window_cells(coarse, kernel_size), device=like.device)
        if kernel_size % 2:
            first = (window * fine + coarse - 1) // coarse  # of a window's own fine rows
        else:  # moved by whole maps and back: exporters round negative numbers to zero
            first = ((2 * window - 1 + 2 * coarse) * fine + coarse - 1) // (2 * coarse) - fine
        slots = first[:, None] + torch.arange(self.count, device=like.device)
        self.fine = slots.flatten().clamp(0, fine - 1)
        source = _sources(coarse, fine, kernel_size, like)
        self.place = source * self.count + torch.arange(fine, device=like.device) - first[source]


class _Tiles:
    """Fine columns in tiles, and the coarse columns that each reads.

    Attributes:
        count: tiles, q.
        fine: the fine column of each place [q * tile], the last one beyond the map.
        columns: of the padded coarse map [q, u]: all that the windows of a tile read, and what follows.
    """

    def __init__(self, coarse: int, fine: int, kernel_size: int, like: Tensor) -> None:
        self.count = (fine + _TILE - 1) // _TILE
        self.fine = torch.arange(self.count * _TILE, device=like.device).clamp(max=fine - 1)
        source = _sources(coarse, fine, kernel_size, like)[self.fine].reshape(-1, _TILE)
        reach = torch.arange((_TILE * coarse + fine - 1) // fine + kernel_size, device=like.device)
        self.columns = (source[:, :1] + reach).clamp(max=coarse + 2 * (kernel_size // 2) - 1)
        self._offset = (source - source[:, :1])[..., None] - reach  # [q, tile, u]
        self._like = like

    def band(self, tap: int) -> Tensor:
        """Where a column of the kernels reads: ones in [q, 1, tile, 1, u]."""
        return (self._offset + tap == 0).to(self._like.dtype)[:, None, :, None]


def _windows(features: Tensor, tiles: _Tiles, kernel_size: int, groups: int, padding: str) -> Tensor:
    """The pixels that the windows of each tile read: [N, G, h, q, k*u, C/G].

    Channels last, for then they are read as whole pixels, which runtimes do several times as fast.
    """
    n, c, h, w = features.shape
    radius, columns = kernel_size // 2, tiles.columns.flatten()
    pixels = features.permute(0, 2, 3, 1)
    if padding == 'zeros':
        pixels = F.pad(pixels, (0, 0, radius, radius, radius, radius))
    else:
        rows = torch.arange(h + 2 * radius, device=features.device) - radius
        pixels = pixels.index_select(1, border_index(rows, h, padding))
        columns = border_index(columns - radius, w, padding)
    read = pixels.index_select(2, columns).reshape(n, h + 2 * radius, tiles.count, -1, groups, c // groups)
    read = read.permute(0, 4, 1, 2, 3, 5)  # [N, G, H, q, u, C/G]
    h = window_cells(h, kernel_size)
    return torch.cat([read[:, :, i : i + h] for i in range(kernel_size)], dim=-2)
