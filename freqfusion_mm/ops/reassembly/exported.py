"""What ONNX gets for this family: windows and kernels as banded matrices, one product of which does all taps.

The definitions gather every tap apart, which runtimes do slowly. Here a fine row is cut into tiles of `_TILE` pixels: a
tile, of all fine rows that share their windows, is one matrix product over the rows and columns that it reads. A coarse
row has `ceil(H/h)` slots for fine rows; those that no fine row has are computed and left out, so that one graph serves
every pair of sizes: no number of it is fixed at the traced ones.
"""

import torch
from torch import Tensor

from ..grid import source_index
from .border import pad_border

#: Fine pixels side by side in a matrix product.
_TILE = 32


def carafe(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """Windows times bands of kernels."""
    (n, c, h, w), (height, width) = features.shape, masks.shape[-2:]
    rows, tiles = _RowSlots(h, height, features), _Tiles(w, width, kernel_size, features)
    windows = _windows(features, tiles, kernel_size, groups, padding)  # [N, G, h, q, C/G, k*u]
    kernels = masks.index_select(-2, rows.fine).index_select(-1, tiles.fine)
    kernels = kernels.reshape(n, groups, kernel_size, kernel_size, h, rows.count, tiles.count, _TILE)
    kernels = kernels.permute(3, 0, 1, 4, 6, 2, 5, 7)  # [k, N, G, h, q, k, a, tile]
    bands = sum(kernels[j][..., None, :, :] * tiles.band(j) for j in range(kernel_size))  # [N, G, h, q, k, u, a, tile]
    out = windows @ bands.flatten(-2).flatten(-3, -2)
    out = out.reshape(n, groups, h, tiles.count, c // groups, rows.count, _TILE)
    out = out.permute(0, 1, 4, 2, 5, 3, 6).reshape(n, c, h * rows.count, tiles.count * _TILE)
    return out[..., :width].index_select(-2, rows.place)


def window_similarity(query: Tensor, key: Tensor, kernel_size: int, padding: str) -> Tensor:
    """Windows times queries, of which the band is taken."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    query, key = query.to(dtype), key.to(dtype)
    (n, c, h, w), (height, width) = key.shape, query.shape[-2:]
    rows, tiles = _RowSlots(h, height, key), _Tiles(w, width, kernel_size, key)
    windows = _windows(key, tiles, kernel_size, 1, padding)[:, 0].transpose(-2, -1)  # [N, h, q, k*u, C]
    query = query.index_select(-2, rows.fine).index_select(-1, tiles.fine)
    query = query.reshape(n, c, h, rows.count, tiles.count, _TILE).permute(0, 2, 4, 1, 3, 5).flatten(-2)
    products = (windows @ query).reshape(n, h, tiles.count, kernel_size, -1, rows.count, _TILE)
    similarity = torch.stack([(products * tiles.band(j)).sum(dim=-3) for j in range(kernel_size)], dim=1)
    similarity = similarity.permute(0, 4, 1, 2, 5, 3, 6)  # [N, k, k, h, a, q, tile]
    similarity = similarity.reshape(n, kernel_size**2, h * rows.count, tiles.count * _TILE)
    return similarity[..., :width].index_select(-2, rows.place)


class _RowSlots:
    """Fine rows, so many for every coarse one.

    Attributes:
        count: slots of a coarse row.
        fine: the fine row of each slot [h * count], any one where there is none.
        place: the slot of each fine row [H].
    """

    def __init__(self, coarse: int, fine: int, like: Tensor) -> None:
        self.count = (fine + coarse - 1) // coarse
        first = (torch.arange(coarse, device=like.device) * fine + coarse - 1) // coarse  # of a window's own fine rows
        slots = first[:, None] + torch.arange(self.count, device=like.device)
        self.fine = slots.flatten().clamp(max=fine - 1)
        source = source_index(coarse, fine, like.device)
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
        source = (self.fine * coarse // fine).reshape(-1, _TILE)
        reach = torch.arange((_TILE * coarse + fine - 1) // fine + kernel_size, device=like.device)
        self.columns = (source[:, :1] + reach).clamp(max=coarse + kernel_size - 2)
        self._offset = (source - source[:, :1])[:, None] - reach[:, None]  # [q, u, tile]
        self._like = like

    def band(self, tap: int) -> Tensor:
        """Where a column of the kernels reads: ones in [q, 1, u, 1, tile]."""
        return (self._offset + tap == 0).to(self._like.dtype)[:, None, :, None]


def _windows(features: Tensor, tiles: _Tiles, kernel_size: int, groups: int, padding: str) -> Tensor:
    """The rows and columns that the windows of each tile read: [N, G, h, q, C/G, k*u]."""
    n, c, h, _ = features.shape
    padded = pad_border(features, kernel_size // 2, padding).index_select(-1, tiles.columns.flatten())
    padded = padded.reshape(n, groups, c // groups, h + kernel_size - 1, tiles.count, -1).permute(0, 1, 3, 4, 2, 5)
    return torch.cat([padded[:, :, i : i + h] for i in range(kernel_size)], dim=-1)
