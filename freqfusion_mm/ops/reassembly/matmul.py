"""Local reassembly by matrix products: a tile of neighbouring windows is one product with a banded matrix.

The way where output pixels share a window (ratios above 1). A tile of p x q windows reads (p+k-1) x (q+k-1) coarse
pixels and makes p*s x q*t fine ones: `[C, coarse] @ [coarse, fine]`, in which a column holds the k*k taps of its pixel
and zeros. What is multiplied in vain costs less than what a shifted view costs to read; the matrices, in float32, are
what is kept: at ratio 2 and k=5 64 numbers a fine pixel and group, where the masks have 25.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .border import pad_border, pad_border_adjoint, window_cells
from .fine_axes import FineAxes

#: Fine pixels along a tile, about: 64 of them make a product worth its call, and larger tiles hold more zeros.
_TILE = 8
#: 4 MiB of float32 that the windows and the products of one step take, where so few channels are still 32.
_STEP_ELEMENTS = 1 << 20
_STEP_CHANNELS = 32


def why_not(*args) -> None:
    """It runs everywhere."""


def forward(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """Beside the result and the matrices, nothing lives for more than a few channels.

    A tile is multiplied whole, zeros included: a feature that is not finite makes its tile's pixels NaN.
    """
    plan = _Tiles(features, masks, kernel_size, groups, padding)
    out = features.new_empty(*features.shape[:2], *masks.shape[-2:])
    parts = out.view(*plan.padded.shape[:2], *masks.shape[-2:])
    with torch.autocast(features.device.type, enabled=False):
        for channels in plan.steps():
            plan.to_map(plan.windows(channels) @ plan.weights.transpose(1, 2), parts[:, channels])
    return out  # and no view of it, so that it can be changed in place


def backward(
    grad_out: Tensor,
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    groups: int,
    padding: str,
    *,
    needs: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of `features` and of `masks`, as far as they are needed."""
    need_features, need_masks = needs
    plan = _Tiles(features, masks, kernel_size, groups, padding, weighs=need_features)
    grad_out = grad_out.reshape(*plan.padded.shape[:2], *masks.shape[-2:])
    grad_padded = torch.zeros_like(plan.padded) if need_features else None
    grad_weights = torch.zeros_like(plan.weights) if need_masks else None
    with torch.autocast(features.device.type, enabled=False):
        for channels in plan.steps():
            grad = plan.to_tiles(grad_out[:, channels])  # [tiles, C', fine]
            if need_masks:
                grad_weights.baddbmm_(grad.transpose(1, 2), plan.windows(channels))
            if need_features:
                plan.add_windows(grad_padded[:, channels], grad @ plan.weights)
    grad_features = grad_masks = None
    if need_features:
        height, width = (size + 2 * (kernel_size // 2) for size in features.shape[-2:])
        grad_features = pad_border_adjoint(
            grad_padded[..., :height, :width], features.shape[-2:], kernel_size // 2, padding
        )
        grad_features = grad_features.to(features.dtype).reshape(features.shape)
    if need_masks:
        grad_masks = plan.band(grad_weights).to(masks.dtype).reshape(len(plan.padded), -1, *plan.fine)
        grad_masks = plan.axes.gather(grad_masks).reshape(*masks.shape[:2], *masks.shape[-2:])
    return grad_features, grad_masks


class _Tiles:
    """What both passes walk over. Batch and groups are one axis B = N*G; sums are at least float32.

    The maps are extended, by pixels that no weight reads, to whole tiles: th x tw of them. Without `weighs` nothing is
    written into the matrices.
    """

    def __init__(
        self, features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str, weighs: bool = True
    ) -> None:
        n, c = features.shape[:2]
        cells = [window_cells(size, kernel_size) for size in features.shape[-2:]]
        self.kernel_size = kernel_size
        self.axes = FineAxes(features.shape[-2:], masks.shape[-2:], kernel_size % 2 == 0, features.device)
        self.dtype = torch.promote_types(features.dtype, torch.float32)
        self.ratio = [fine // coarse for fine, coarse in zip(self.axes.whole, cells)]
        self.tile = [_tile_size(coarse, ratio) for coarse, ratio in zip(cells, self.ratio)]
        self.tiles = [-(-coarse // size) for coarse, size in zip(cells, self.tile)]
        self.window = [size + kernel_size - 1 for size in self.tile]
        self.fine = tuple(count * size * ratio for count, size, ratio in zip(self.tiles, self.tile, self.ratio))
        self.size = tuple(masks.shape[-2:])

        padded = pad_border(features.to(self.dtype), kernel_size // 2, padding)
        # Whole tiles here too, so that the windows can be added back tile by tile.
        height, width = ((count + -(-(kernel_size - 1) // size)) * size for count, size in zip(self.tiles, self.tile))
        padded = _extend(padded, height, width)
        self.padded = padded.reshape(n * groups, c // groups, height, width)
        fine = self.fine[0] // self.tiles[0] * (self.fine[1] // self.tiles[1])
        # [tiles, fine pixels of a tile, coarse pixels of its windows]
        self.weights = self.padded.new_empty(
            n * groups * self.tiles[0] * self.tiles[1], fine, self.window[0] * self.window[1]
        )
        if weighs:
            band = self.band(self.weights.zero_())
            band.copy_(self.extend(masks.reshape(n * groups, kernel_size**2, *masks.shape[-2:])).view(band.shape))
        per_channel = len(self.weights) * max(self.weights.shape[1:])
        steps = -(-c // groups // max(_STEP_CHANNELS, _STEP_ELEMENTS // per_channel))
        self.step = -(-c // groups // steps)
        # A few channels of a fine map in whole tiles, for maps that end elsewhere.
        self.buffer = None if self.fine == self.size else self.padded.new_zeros(n * groups, self.step, *self.fine)

    def band(self, weights: Tensor) -> Tensor:
        """View of the taps in the banded matrices, [B, k, k, th, p, s, tw, q, t]: one window further, one coarse
        pixel further.
        """
        (th, tw), (p, q), (s, t), (a, b), k = self.tiles, self.tile, self.ratio, self.window, self.kernel_size
        matrix, column = weights.stride(0), a * b
        row = q * t * column  # one fine pixel down
        return weights.as_strided(
            (len(self.padded), k, k, th, p, s, tw, q, t),
            (th * tw * matrix, b, 1, tw * matrix, s * row + b, row, matrix, t * column + 1, column),
        )

    def extend(self, fine: Tensor) -> Tensor:
        """A fine map [B, C', H, W] in whole tiles and in the dtype of the sums."""
        return self.axes.scatter(fine, self.padded.new_zeros(*fine.shape[:2], *self.fine))

    def tiled(self, fine: Tensor) -> Tensor:
        """View of a fine map in whole tiles as [B, th, tw, C', p*s, q*t]."""
        fine = fine.unflatten(-2, (self.tiles[0], -1)).unflatten(-1, (self.tiles[1], -1))
        return fine.permute(0, 2, 4, 1, 3, 5)

    def to_map(self, tiles: Tensor, out: Tensor) -> None:
        """Writes [tiles, C', fine] to `out`, a fine map [B, C', H, W]."""
        whole = out if self.buffer is None else self.buffer[:, : out.shape[1]]
        target = self.tiled(whole)
        target.copy_(tiles.view(target.shape))
        if self.buffer is not None:
            out.copy_(self.axes.gather(whole))

    def to_tiles(self, grad: Tensor) -> Tensor:
        """Transpose of `to_map`."""
        if self.buffer is not None:
            grad = self.axes.scatter(grad, self.buffer[:, : grad.shape[1]])
        return self.tiled(grad).to(self.dtype).reshape(len(self.weights), grad.shape[1], -1)

    def steps(self) -> Iterator[slice]:
        """Slices of channels."""
        for first in range(0, self.padded.shape[1], self.step):
            yield slice(first, first + self.step)

    def windows(self, channels: slice) -> Tensor:
        """Those of the tiles, [tiles, C', coarse]."""
        windows = self.padded[:, channels].unfold(-2, self.window[0], self.tile[0])
        windows = windows.unfold(-2, self.window[1], self.tile[1])  # [B, C', th, tw, a, b]
        return windows.permute(0, 2, 3, 1, 4, 5).reshape(len(self.weights), -1, self.weights.shape[2])

    def add_windows(self, padded: Tensor, received: Tensor) -> None:
        """Adds what every window received, [tiles, C', coarse], to the pixels that it was read from."""
        (th, tw), (p, q), (a, b) = self.tiles, self.tile, self.window
        received = received.view(len(padded), th, tw, -1, a, b).permute(0, 3, 1, 4, 2, 5)  # [B, C', th, a, tw, b]
        target = padded.unflatten(-2, (-1, p)).unflatten(-1, (-1, q))
        for i in range(0, a, p):
            for j in range(0, b, q):
                piece = received[:, :, :, i : i + p, :, j : j + q]
                target[:, :, i // p : i // p + th, : piece.shape[3], j // q : j // q + tw, : piece.shape[5]] += piece


def _extend(features: Tensor, height: int, width: int) -> Tensor:
    """Zeros below and to the right, up to a size."""
    h, w = features.shape[-2:]
    return features if (h, w) == (height, width) else F.pad(features, (0, width - w, 0, height - h))


def _tile_size(cells: int, ratio: int) -> int:
    """Windows along a tile: for `_TILE` fine pixels, or up to half as many more where the map is extended less."""
    size = max(1, _TILE // ratio)
    return min(range(size, size + size // 2 + 1), key=lambda p: (-(-cells // p) * p, p)) if cells > size else cells
