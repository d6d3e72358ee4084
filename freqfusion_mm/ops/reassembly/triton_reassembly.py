"""Local reassembly on GPUs: products of a tile of the coarse map with a banded matrix of kernels.

The contract is that of `freqfusion_mm.ops.carafe`, any pair of sizes included. A tile of 4 x 16 fine pixels reads a
small window of the coarse map, `[C, rows * pitch]`, and the tile is that window times a matrix `[rows * pitch, 64]`,
which holds the k*k taps of each of the 64 fine pixels, and zeros. So the multiply-adds go to the tensor cores, each
coarse value is fetched once for all fine pixels and taps of a tile, and each tap once for all channels of a block. The
same matrix, transposed, gives the gradient of the features (a coarse tile gathers from the fine pixels that read it,
also through the border), and the product of window and output gradient holds the gradient of the taps in its band.

Why this should come near the bandwidth (x2, k=5, 256 channels, half precision, on an NVIDIA H200 with 4 TB/s of copy
and 495 T multiply-adds/s): a fine pixel moves 512 bytes out, 128 in and 50 of taps, 0.17 ns. It costs a channel 6 * 16
products, of which 25 count: 25 thousand multiply-adds, 0.05 ns (float32, as three products of TF32: 0.30 ns beside
0.34 ns of memory). One multiply-add for each tap and value on the plain cores would take 0.2 ns, and the 6400 loads
that feed them 0.8 ns. The second-level cache serves the coarse values about twice and the taps once for each block of
channels. What is left is to keep enough loads in flight: hence little shared memory and few registers a program.

Not as in the definition: a value that is not finite spoils its whole tile, not its window alone (zero times infinity);
float32 products are sums of three TF32 products, which lose about as much as the rounding of float32 does.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..library import empty_map
from ..triton import why_not as why_not_here
from ..triton.launch import index_dtype, product_dtype, sum_dtype
from . import triton_reassembly_kernels as kernels

_TILE = (4, 16)  # fine pixels: 16 in a row fill a sector of memory in half precision
_COARSE_TILE = (8, 8)  # coarse pixels: square, for few fine pixels around
_BLOCK_WINDOW = 128  # positions of a window that one program of `grad_masks` takes


def why_not(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> str | None:
    """Why the kernels cannot run on these arguments, or None."""
    if features.shape[0] * groups > 65535:
        return f'the Triton kernels take at most 65535 samples times groups, got {features.shape[0] * groups}'
    for coarse, fine in zip(features.shape[-2:], masks.shape[-2:]):
        if 2 * (coarse + kernel_size + 2) * fine + coarse >= 2**31:  # the places of windows are 32-bit integers
            return f'the Triton kernels take sides of at most 2**30 coarse times fine pixels, got {coarse} times {fine}'
    return why_not_here(features, masks)


def forward(features: Tensor, masks: Tensor, kernel_size: int, groups: int = 1, padding: str = 'zeros') -> Tensor:
    """[N, C, h, w] and [N, groups * k*k, H, W] to [N, C, H, W], in the dtype and layout of `features`."""
    return reassemble(features, masks, kernel_size, groups, padding, smear=False)


def backward(
    grad: Tensor,
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    groups: int = 1,
    padding: str = 'zeros',
    *,
    needs: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of `features` and of `masks`, as far as they are needed; of these, whose gradient they are, only
    shape, dtype and layout are used.
    """
    grad_features = grad_masks = None
    if needs[0]:
        grad_features = gather_features(grad, features, masks, kernel_size, groups, padding, smear=False)
    if needs[1]:
        grad_masks = torch.empty_like(masks)
        correlate(grad, features, grad_masks, kernel_size, groups, padding, smear=False)
    return grad_features, grad_masks


# ---------------------------------------------------------------- launches, for fine-neighbour attention as well


def reassemble(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str, smear: bool) -> Tensor:
    """[N, C, H, W], in the dtype and layout of `features`."""
    (n, c, h, w), (height, width) = features.shape, masks.shape[-2:]
    out = empty_map(features, (n, c, height, width))
    window = kernel_size + smear
    with torch.cuda.device_of(features):
        kernels.forward[_grid(_tiles(height, width, _TILE), c // groups, n * groups)](
            features,
            masks,
            out,
            c // groups,
            h,
            w,
            height,
            width,
            groups,
            *features.stride(),
            *masks.stride(),
            *out.stride(),
            KERNEL=kernel_size,
            WINDOW=window,
            SMEAR=smear,
            PADDING=padding,
            TILE_Y=_TILE[0],
            TILE_X=_TILE[1],
            PITCH=_window_span(_TILE[1], w, width, window),
            PRODUCT=_product(features, masks, smear),
            SUM=sum_dtype(features, masks),
            INDEX=index_dtype(features, masks, out),
        )
    return out


def gather_features(
    grad: Tensor, features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str, smear: bool
) -> Tensor:
    """The gradient of `features`, which every coarse pixel gathers from the fine ones that read it."""
    (n, c, h, w), (height, width) = features.shape, masks.shape[-2:]
    result = torch.empty_like(features)
    window = kernel_size + smear
    readers = triton.next_power_of_2(min(width, (_COARSE_TILE[1] + window - 1) * width // w + 1))
    with torch.cuda.device_of(features):
        kernels.grad_features[_grid(_tiles(h, w, _COARSE_TILE), c // groups, n * groups)](
            result,
            masks,
            grad,
            c // groups,
            h,
            w,
            height,
            width,
            groups,
            _images(h, window, padding),
            _images(w, window, padding),
            *result.stride(),
            *masks.stride(),
            *grad.stride(),
            KERNEL=kernel_size,
            WINDOW=window,
            SMEAR=smear,
            PADDING=padding,
            TILE_Y=_COARSE_TILE[0],
            TILE_X=_COARSE_TILE[1],
            PITCH=readers,
            PRODUCT=_product(grad, masks, smear),
            SUM=sum_dtype(features, masks),
            INDEX=index_dtype(result, masks, grad),
        )
    return result


def correlate(
    grad: Tensor, features: Tensor, result: Tensor, kernel_size: int, groups: int, padding: str, smear: bool
) -> None:
    """Writes the gradient of the weights of every window's pixels: [N, groups * WINDOW**2, H, W]."""
    (n, c, h, w), (height, width) = features.shape, grad.shape[-2:]
    window = kernel_size + smear
    pitch = _window_span(_TILE[1], w, width, window)
    chunks = triton.cdiv(((_TILE[0] - 1) * h // height + 1 + window) * pitch, _BLOCK_WINDOW)
    with torch.cuda.device_of(features):
        kernels.grad_masks[(_tiles(height, width, _TILE) * chunks, n * groups)](
            features,
            result,
            grad,
            c // groups,
            h,
            w,
            height,
            width,
            groups,
            chunks,
            *features.stride(),
            *result.stride(),
            *grad.stride(),
            WINDOW=window,
            SMEAR=smear,
            PADDING=padding,
            TILE_Y=_TILE[0],
            TILE_X=_TILE[1],
            PITCH=pitch,
            BLOCK_Q=_BLOCK_WINDOW,
            PRODUCT=product_dtype(features.dtype, grad.dtype),
            SUM=sum_dtype(features, grad),
            INDEX=index_dtype(features, result, grad),
        )


def _grid(tiles: int, channels: int, samples: int):
    return lambda config: (tiles * triton.cdiv(channels, config['BLOCK_C']), samples)


def _tiles(height: int, width: int, tile: tuple[int, int]) -> int:
    return triton.cdiv(height, tile[0]) * triton.cdiv(width, tile[1])


def _window_span(tile: int, coarse: int, fine: int, window: int) -> int:
    """A power of two that holds the windows of `tile` fine pixels in a row, wherever they begin."""
    return triton.next_power_of_2((tile - 1) * coarse // fine + 1 + window)


def _images(size: int, window: int, padding: str) -> int:
    """How many images of the map to either side a window may reach into."""
    reach = window // 2
    if padding == 'zeros' or reach == 0:
        return 0
    return reach // (size - 1) + 1 if padding == 'reflect' and size > 1 else reach


def _product(features: Tensor, masks: Tensor, smear: bool) -> tl.dtype:
    # Smeared weights are made in float32: rounded to half precision they would lose more than the features did.
    return product_dtype(features.dtype, masks.dtype, *[torch.float32] * smear)
