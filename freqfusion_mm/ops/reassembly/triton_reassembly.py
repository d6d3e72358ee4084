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
from ..triton.launch import index_dtype, product_dtype, sum_dtype, tuned
from .triton_windows import (
    border,
    first_reader,
    image,
    images_after,
    images_before,
    is_read,
    phase,
    window_start,
    window_weight,
)

_TILE = (4, 16)  # fine pixels: 16 in a row fill a sector of memory in half precision
_COARSE_TILE = (8, 8)  # coarse pixels: square, for few fine pixels around
_BLOCK_WINDOW = 128  # positions of a window that one program of `_grad_masks` takes
_SIZES = [
    'channels',
    'h',
    'w',
    'height',
    'width',
    'groups',
    'feature_n',
    'feature_y',
    'mask_n',
    'mask_y',
    'out_n',
    'out_y',
]
# Few registers first: what hides the latency of loads is many programs on a processor.
_CONFIGS = [
    triton.Config(dict(BLOCK_C=block, BLOCK_K=32), num_warps=warps, num_stages=2)
    for block, warps in ((64, 4), (128, 8), (32, 4), (64, 8))
]


def why_not(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> str | None:
    """Why the kernels cannot run on these arguments, or None."""
    if features.shape[0] * groups > 65535:
        return f'the Triton kernels take at most 65535 samples times groups, got {features.shape[0] * groups}'
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
        _forward[_grid(_tiles(height, width, _TILE), c // groups, n * groups)](
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
    readers = triton.next_power_of_2((_COARSE_TILE[1] + window - 1) * width // w + 1)
    with torch.cuda.device_of(features):
        _grad_features[_grid(_tiles(h, w, _COARSE_TILE), c // groups, n * groups)](
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
        _grad_masks[(_tiles(height, width, _TILE) * chunks, n * groups)](
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


# ---------------------------------------------------------------- kernels


@tuned(_CONFIGS, key=['KERNEL', 'SMEAR', 'PITCH'])
@triton.jit(do_not_specialize=_SIZES)
def _forward(
    features,
    masks,
    out,
    channels,
    h,
    w,
    height,
    width,
    groups,
    feature_n,
    feature_c,
    feature_y,
    feature_x,
    mask_n,
    mask_t,
    mask_y,
    mask_x,
    out_n,
    out_c,
    out_y,
    out_x,
    KERNEL: tl.constexpr,
    WINDOW: tl.constexpr,
    SMEAR: tl.constexpr,
    PADDING: tl.constexpr,
    TILE_Y: tl.constexpr,
    TILE_X: tl.constexpr,
    PITCH: tl.constexpr,
    PRODUCT: tl.constexpr,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """One program: a tile of fine pixels times a block of channels."""
    blocks = tl.cdiv(channels, BLOCK_C)
    tile, sample, group = tl.program_id(0) // blocks, tl.program_id(1) // groups, tl.program_id(1) % groups
    c = tl.program_id(0) % blocks * BLOCK_C + tl.arange(0, BLOCK_C)
    first_y, first_x = tile // tl.cdiv(width, TILE_X) * TILE_Y, tile % tl.cdiv(width, TILE_X) * TILE_X
    pixel = tl.arange(0, TILE_Y * TILE_X)
    fine_y, fine_x = first_y + pixel // TILE_X, first_x + pixel % TILE_X
    is_pixel = (fine_y < height) & (fine_x < width)
    start_y = window_start(fine_y, h, height, WINDOW, SMEAR)
    start_x = window_start(fine_x, w, width, WINDOW, SMEAR)
    phase_y, phase_x = phase(fine_y, h, height, SUM)[None, :], phase(fine_x, w, width, SUM)[None, :]

    features += sample.to(tl.int64) * feature_n + (group * channels).to(tl.int64) * feature_c
    masks += sample.to(tl.int64) * mask_n + (group * KERNEL * KERNEL).to(tl.int64) * mask_t
    mask_place = (fine_y.to(INDEX) * mask_y + fine_x.to(INDEX) * mask_x)[None, :]
    feature_place = c.to(INDEX)[:, None] * feature_c
    top = window_start(first_y, h, height, WINDOW, SMEAR)
    left = window_start(first_x, w, width, WINDOW, SMEAR)
    bottom = window_start(tl.minimum(first_y + TILE_Y, height) - 1, h, height, WINDOW, SMEAR) + WINDOW
    right = window_start(tl.minimum(first_x + TILE_X, width) - 1, w, width, WINDOW, SMEAR) + WINDOW
    total = tl.zeros((BLOCK_C, TILE_Y * TILE_X), dtype=SUM)
    for first in range(0, (bottom - top) * PITCH, BLOCK_K):
        position = first + tl.arange(0, BLOCK_K)
        row, col = top + position // PITCH, left + position % PITCH
        band = window_weight(
            masks,
            mask_place,
            row[:, None] - start_y[None, :],
            col[:, None] - start_x[None, :],
            is_pixel[None, :],
            phase_y,
            phase_x,
            mask_t,
            KERNEL,
            SMEAR,
            INDEX,
        )  # [K, pixels]
        read = (row < bottom) & (col < right) & is_read(row, h, PADDING) & is_read(col, w, PADDING)
        place = border(row, h, PADDING).to(INDEX) * feature_y + border(col, w, PADDING).to(INDEX) * feature_x
        values = tl.load(
            features + (feature_place + place[None, :]), mask=read[None, :] & (c < channels)[:, None], other=0.0
        )  # [C, K]
        total = tl.dot(values.to(PRODUCT), band.to(PRODUCT), total, input_precision='tf32x3', out_dtype=SUM)

    out += sample.to(tl.int64) * out_n + (group * channels).to(tl.int64) * out_c
    place = c.to(INDEX)[:, None] * out_c + (fine_y.to(INDEX) * out_y + fine_x.to(INDEX) * out_x)[None, :]
    tl.store(out + place, total.to(out.dtype.element_ty), mask=is_pixel[None, :] & (c < channels)[:, None])


@tuned(_CONFIGS, key=['KERNEL', 'SMEAR', 'PADDING', 'PITCH'])
@triton.jit(do_not_specialize=_SIZES + ['images_y', 'images_x'])
def _grad_features(
    features,
    masks,
    out,
    channels,
    h,
    w,
    height,
    width,
    groups,
    images_y,
    images_x,
    feature_n,
    feature_c,
    feature_y,
    feature_x,
    mask_n,
    mask_t,
    mask_y,
    mask_x,
    out_n,
    out_c,
    out_y,
    out_x,
    KERNEL: tl.constexpr,
    WINDOW: tl.constexpr,
    SMEAR: tl.constexpr,
    PADDING: tl.constexpr,
    TILE_Y: tl.constexpr,
    TILE_X: tl.constexpr,
    PITCH: tl.constexpr,
    PRODUCT: tl.constexpr,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """One program: a tile of coarse pixels times a block of channels; `features` and `out` are the gradients."""
    blocks = tl.cdiv(channels, BLOCK_C)
    tile, sample, group = tl.program_id(0) // blocks, tl.program_id(1) // groups, tl.program_id(1) % groups
    c = tl.program_id(0) % blocks * BLOCK_C + tl.arange(0, BLOCK_C)
    first_row, first_col = tile // tl.cdiv(w, TILE_X) * TILE_Y, tile % tl.cdiv(w, TILE_X) * TILE_X
    last_row, last_col = tl.minimum(first_row + TILE_Y, h) - 1, tl.minimum(first_col + TILE_X, w) - 1
    pixel = tl.arange(0, TILE_Y * TILE_X)
    row, col = first_row + pixel // TILE_X, first_col + pixel % TILE_X
    is_pixel = (row < h) & (col < w)
    above, below = images_before(first_row, images_y, WINDOW), images_after(last_row, h, images_y, WINDOW)
    before, behind = images_before(first_col, images_x, WINDOW), images_after(last_col, w, images_x, WINDOW)

    # A window that reads a pixel through the border covers the pixel itself too, so that no fine pixel is missed.
    top = first_reader(first_row - WINDOW + 1, h, height, WINDOW, SMEAR)
    left = first_reader(first_col - WINDOW + 1, w, width, WINDOW, SMEAR)
    bottom = first_reader(last_row + 1, h, height, WINDOW, SMEAR)
    right = first_reader(last_col + 1, w, width, WINDOW, SMEAR)
    out += sample.to(tl.int64) * out_n + (group * channels).to(tl.int64) * out_c
    out_place = c.to(INDEX)[:, None] * out_c
    masks += sample.to(tl.int64) * mask_n + (group * KERNEL * KERNEL).to(tl.int64) * mask_t
    total = tl.zeros((BLOCK_C, TILE_Y * TILE_X), dtype=SUM)
    for first in range(0, (bottom - top) * PITCH, BLOCK_K):
        position = first + tl.arange(0, BLOCK_K)
        fine_y, fine_x = top + position // PITCH, left + position % PITCH
        read = (fine_y < bottom) & (fine_x < right)
        start_y = window_start(fine_y, h, height, WINDOW, SMEAR)[:, None]
        start_x = window_start(fine_x, w, width, WINDOW, SMEAR)[:, None]
        phase_y, phase_x = phase(fine_y, h, height, SUM)[:, None], phase(fine_x, w, width, SUM)[:, None]
        mask_place = (fine_y.to(INDEX) * mask_y + fine_x.to(INDEX) * mask_x)[:, None]
        band = tl.zeros((BLOCK_K, TILE_Y * TILE_X), dtype=SUM)
        for number_y in range(-above, below + 1):
            image_row, exists_y = image(row, number_y, h, PADDING)
            for number_x in range(-before, behind + 1):
                image_col, exists_x = image(col, number_x, w, PADDING)
                valid = read[:, None] & (is_pixel & exists_y & exists_x)[None, :]
                band += window_weight(
                    masks,
                    mask_place,
                    image_row[None, :] - start_y,
                    image_col[None, :] - start_x,
                    valid,
                    phase_y,
                    phase_x,
                    mask_t,
                    KERNEL,
                    SMEAR,
                    INDEX,
                ).to(SUM)  # [K, pixels]
        place = fine_y.to(INDEX) * out_y + fine_x.to(INDEX) * out_x
        values = tl.load(
            out + (out_place + place[None, :]), mask=read[None, :] & (c < channels)[:, None], other=0.0
        )  # [C, K]
        total = tl.dot(values.to(PRODUCT), band.to(PRODUCT), total, input_precision='tf32x3', out_dtype=SUM)

    features += sample.to(tl.int64) * feature_n + (group * channels).to(tl.int64) * feature_c
    place = c.to(INDEX)[:, None] * feature_c + (row.to(INDEX) * feature_y + col.to(INDEX) * feature_x)[None, :]
    tl.store(features + place, total.to(features.dtype.element_ty), mask=is_pixel[None, :] & (c < channels)[:, None])


@tuned(
    [
        triton.Config(dict(BLOCK_C=block), num_warps=warps, num_stages=2)
        for block, warps in ((32, 8), (32, 4), (64, 8), (16, 4))
    ],
    key=['WINDOW', 'PITCH'],
)
@triton.jit(do_not_specialize=_SIZES + ['chunks'])
def _grad_masks(
    features,
    masks,
    out,
    channels,
    h,
    w,
    height,
    width,
    groups,
    chunks,
    feature_n,
    feature_c,
    feature_y,
    feature_x,
    mask_n,
    mask_t,
    mask_y,
    mask_x,
    out_n,
    out_c,
    out_y,
    out_x,
    WINDOW: tl.constexpr,
    SMEAR: tl.constexpr,
    PADDING: tl.constexpr,
    TILE_Y: tl.constexpr,
    TILE_X: tl.constexpr,
    PITCH: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    PRODUCT: tl.constexpr,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program: a tile of fine pixels times some positions of its window; `masks` and `out` are the gradients."""
    tile, sample, group = tl.program_id(0) // chunks, tl.program_id(1) // groups, tl.program_id(1) % groups
    first_y, first_x = tile // tl.cdiv(width, TILE_X) * TILE_Y, tile % tl.cdiv(width, TILE_X) * TILE_X
    pixel = tl.arange(0, TILE_Y * TILE_X)
    fine_y, fine_x = first_y + pixel // TILE_X, first_x + pixel % TILE_X
    is_pixel = (fine_y < height) & (fine_x < width)
    position = tl.program_id(0) % chunks * BLOCK_Q + tl.arange(0, BLOCK_Q)
    row = window_start(first_y, h, height, WINDOW, SMEAR) + position // PITCH
    col = window_start(first_x, w, width, WINDOW, SMEAR) + position % PITCH
    i = row[:, None] - window_start(fine_y, h, height, WINDOW, SMEAR)[None, :]
    j = col[:, None] - window_start(fine_x, w, width, WINDOW, SMEAR)[None, :]

    bottom = window_start(tl.minimum(first_y + TILE_Y, height) - 1, h, height, WINDOW, SMEAR) + WINDOW
    right = window_start(tl.minimum(first_x + TILE_X, width) - 1, w, width, WINDOW, SMEAR) + WINDOW
    read = (row < bottom) & (col < right) & is_read(row, h, PADDING) & is_read(col, w, PADDING)
    features += sample.to(tl.int64) * feature_n + (group * channels).to(tl.int64) * feature_c
    feature_place = border(row, h, PADDING).to(INDEX) * feature_y + border(col, w, PADDING).to(INDEX) * feature_x
    out += sample.to(tl.int64) * out_n + (group * channels).to(tl.int64) * out_c
    out_place = fine_y.to(INDEX) * out_y + fine_x.to(INDEX) * out_x
    total = tl.zeros((BLOCK_Q, TILE_Y * TILE_X), dtype=SUM)
    for first in range(0, channels, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        channel, is_channel = c.to(INDEX)[:, None], (c < channels)[:, None]
        values = tl.load(
            features + (channel * feature_c + feature_place[None, :]), mask=is_channel & read[None, :], other=0.0
        )  # [C, Q]
        grads = tl.load(
            out + (channel * out_c + out_place[None, :]), mask=is_channel & is_pixel[None, :], other=0.0
        )  # [C, pixels]
        total = tl.dot(tl.trans(values.to(PRODUCT)), grads.to(PRODUCT), total, input_precision='tf32x3', out_dtype=SUM)

    # The band of the product: every tap of every fine pixel is one entry of it.
    masks += sample.to(tl.int64) * mask_n + (group * WINDOW * WINDOW).to(tl.int64) * mask_t
    place = (i * WINDOW + j).to(INDEX) * mask_t + (fine_y.to(INDEX) * mask_y + fine_x.to(INDEX) * mask_x)[None, :]
    inside = is_pixel[None, :] & (i >= 0) & (i < WINDOW) & (j >= 0) & (j < WINDOW)
    tl.store(masks + place, total.to(masks.dtype.element_ty), mask=inside)
