"""What ONNX gets for this family: windows and kernels as banded matrices, a few products of which do all taps.

The definitions gather every tap apart, which runtimes do slowly. Here a row of the coarse map is cut into tiles of
`_TILE` windows; the fine pixels of a tile, `ceil(H/h) * ceil(W/w)` slots a window, are one matrix product over all rows
and columns that its windows read. Slots that no fine pixel has are computed and left out, so that one graph serves
every pair of sizes: no number of it is fixed at the traced ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grid import source_index
from .border import pad_border

#: Windows side by side in a matrix product: of its columns k in `_TILE + k - 1` are no zeros.
_TILE = 8


def carafe(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """Windows times bands of kernels."""
    n, c, h, w = features.shape
    rows, cols = _Slots(h, masks.shape[-2], features), _Slots(w, masks.shape[-1], features, _TILE)
    windows = _windows(features, cols, kernel_size, padding)  # [N, C, k, h, tiles, u]
    windows = windows.reshape(n, groups, c // groups, kernel_size, h, cols.tiles, -1)
    windows = windows.permute(0, 1, 4, 5, 2, 3, 6).flatten(-2)  # [N, G, h, tiles, C/G, k*u]
    kernels = masks.index_select(-2, rows.fine).index_select(-1, cols.fine)
    shape = n, groups, kernel_size, kernel_size, h, rows.count, cols.tiles, _TILE, cols.count
    kernels = kernels.reshape(shape).permute(0, 1, 4, 6, 2, 5, 8, 7, 3)  # [N, G, h, tiles, k, a, b, tile, k]
    bands = _band(kernels).permute(0, 1, 2, 3, 4, 8, 5, 6, 7)  # [N, G, h, tiles, k, u, a, b, tile]
    bands = bands.flatten(-3).flatten(-3, -2)
    out = (windows @ bands).reshape(n, groups, h, cols.tiles, c // groups, rows.count, cols.count, _TILE)
    out = out.permute(0, 1, 4, 2, 5, 3, 7, 6).reshape(n, c, h * rows.count, cols.tiles * _TILE * cols.count)
    return out.index_select(-2, rows.place).index_select(-1, cols.place).to(features.dtype)


def window_similarity(query: Tensor, key: Tensor, kernel_size: int, padding: str) -> Tensor:
    """Queries times windows, of which the band is taken."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    query, key = query.to(dtype), key.to(dtype)
    n, c, h, w = key.shape
    rows, cols = _Slots(h, query.shape[-2], key), _Slots(w, query.shape[-1], key, _TILE)
    windows = _windows(key, cols, kernel_size, padding).permute(0, 3, 4, 1, 2, 5).flatten(-2)  # [N, h, tiles, C, k*u]
    query = query.index_select(-2, rows.fine).index_select(-1, cols.fine)
    query = query.reshape(n, c, h, rows.count, cols.tiles, _TILE, cols.count)
    query = query.permute(0, 2, 4, 3, 6, 5, 1).flatten(-4, -2)  # [N, h, tiles, a*b*tile, C]
    products = (query @ windows).reshape(n, h, cols.tiles, rows.count, cols.count, _TILE, kernel_size, -1)
    similarity = _unband(products.transpose(-3, -2), kernel_size)  # [N, h, tiles, a, b, k, tile, k]
    similarity = similarity.permute(0, 5, 7, 1, 3, 2, 6, 4)
    similarity = similarity.reshape(n, kernel_size**2, h * rows.count, cols.tiles * _TILE * cols.count)
    return similarity.index_select(-2, rows.place).index_select(-1, cols.place)


class _Slots:
    """Fine pixels along an axis, so many for every coarse one, which are cut into tiles.

    Attributes:
        tiles: how many.
        count: slots of a coarse pixel.
        fine: the fine pixel of each slot [tiles * tile * count], any one where there is none.
        place: the slot of each fine pixel [fine].
    """

    def __init__(self, coarse: int, fine: int, like: Tensor, tile: int = 1) -> None:
        self.tiles = (coarse + tile - 1) // tile
        self.count = (fine + coarse - 1) // coarse
        window = torch.arange(self.tiles * tile, device=like.device)
        first = (window * fine + coarse - 1) // coarse  # of a window's own fine pixels
        slots = first[:, None] + torch.arange(self.count, device=like.device)
        self.fine = slots.flatten().clamp(max=fine - 1)
        source = source_index(coarse, fine, like.device)
        self.place = source * self.count + torch.arange(fine, device=like.device) - first[source]


def _windows(features: Tensor, cols: _Slots, kernel_size: int, padding: str) -> Tensor:
    """The rows and columns that the windows of each tile read, u = tile + k - 1 columns: [N, C, k, h, tiles, u]."""
    h, w = features.shape[-2:]
    padded = pad_border(features, kernel_size // 2, padding)
    reach = _TILE + kernel_size - 1
    columns = torch.arange(cols.tiles, device=features.device)[:, None] * _TILE
    columns = (columns + torch.arange(reach, device=features.device)).clamp(max=w + kernel_size - 2)
    padded = padded.index_select(-1, columns.flatten()).reshape(*padded.shape[:-1], cols.tiles, reach)
    return torch.stack([padded[:, :, i : i + h] for i in range(kernel_size)], dim=2)


def _band(kernels: Tensor) -> Tensor:
    """[..., t, k] to [..., t, t + k - 1], each row one column further to the right."""
    *lead, tile, size = kernels.shape
    reach = tile + size - 1
    return F.pad(kernels, (0, tile)).flatten(-2)[..., : tile * reach].reshape(*lead, tile, reach)


def _unband(products: Tensor, kernel_size: int) -> Tensor:
    """Transpose of `_band`: [..., t, t + k - 1] to the k that are no zeros there."""
    *lead, tile, reach = products.shape
    return F.pad(products.flatten(-2), (0, tile)).reshape(*lead, tile, reach + 1)[..., :kernel_size]
