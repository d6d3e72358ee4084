"""The kernels of `triton_reassembly`: tiles of pixels times blocks of channels."""

import triton
import triton.language as tl

from ..triton.launch import tuned
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


@tuned(_CONFIGS, key=['KERNEL', 'SMEAR', 'PITCH'])
@triton.jit(do_not_specialize=_SIZES)
def forward(
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
def grad_features(
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
def grad_masks(
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
