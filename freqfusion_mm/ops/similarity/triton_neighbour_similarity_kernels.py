"""The kernels of `triton_neighbour_similarity`, forward: blocks of pixels, a few channels at a time."""

import triton
import triton.language as tl

from ..triton.launch import tuned
from .triton_pixels import CONFIGS, SIZES, length, load


@tuned(CONFIGS, key=['BLOCK'])
@triton.jit(do_not_specialize=SIZES)
def write_norms(
    features,
    norms,
    channels,
    height,
    width,
    feature_n,
    feature_c,
    feature_y,
    feature_x,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program: the lengths of a block of vectors."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    is_pixel = pixel < height * width
    y, x = pixel // width, pixel % width
    features += sample * feature_n
    squares = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    for first in range(0, channels, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        values = load(features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX)
        squares += values * values
    tl.store(norms + sample * height * width + pixel, tl.sqrt(tl.sum(squares, axis=0)), mask=is_pixel)


@triton.jit
def _store_both(
    similarity,
    norms,
    dot,
    y,
    x,
    dy,
    dx,
    ahead,
    is_pixel,
    height,
    width,
    stride_t,
    stride_y,
    stride_x,
    INDEX: tl.constexpr,
):
    """Stores the similarity to the neighbour ahead here, and as that to the neighbour behind at the neighbour. Where
    there is none behind, nobody else stores the zero that belongs there.
    """
    inside = is_pixel & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
    norm = tl.load(norms + y.to(INDEX) * width + x, mask=is_pixel, other=1.0)
    other_norm = tl.load(norms + (y + dy).to(INDEX) * width + (x + dx), mask=inside, other=1.0)
    cosine = dot / length(norm) / length(other_norm)
    cosine = cosine.to(similarity.dtype.element_ty)
    here = similarity + y.to(INDEX) * stride_y + x.to(INDEX) * stride_x
    there = similarity + (y + dy).to(INDEX) * stride_y + (x + dx).to(INDEX) * stride_x
    tl.store(here + tl.cast(ahead, INDEX) * stride_t, cosine, mask=is_pixel)
    tl.store(there + tl.cast(7 - ahead, INDEX) * stride_t, cosine, mask=inside)
    none_behind = is_pixel & ((y - dy < 0) | (x - dx < 0) | (x - dx >= width))
    tl.store(here + tl.cast(7 - ahead, INDEX) * stride_t, tl.zeros_like(cosine), mask=none_behind)


@tuned(CONFIGS, key=['BLOCK'])
@triton.jit(do_not_specialize=SIZES + ['dilation', 'similarity_n', 'similarity_t', 'similarity_y'])
def write_similarity(
    features,
    norms,
    similarity,
    channels,
    height,
    width,
    dilation,
    feature_n,
    feature_c,
    feature_y,
    feature_x,
    similarity_n,
    similarity_t,
    similarity_y,
    similarity_x,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program: the similarities of a block of pixels to the four neighbours ahead, for both."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    is_pixel = pixel < height * width
    y, x = pixel // width, pixel % width
    features += sample * feature_n
    right = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    lower_left = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    lower = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    lower_right = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    for first in range(0, channels, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        here = load(features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX)
        right += here * load(
            features, y, x + dilation, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX
        )
        lower_left += here * load(
            features,
            y + dilation,
            x - dilation,
            c,
            is_pixel,
            channels,
            height,
            width,
            feature_c,
            feature_y,
            feature_x,
            SUM,
            INDEX,
        )
        lower += here * load(
            features, y + dilation, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX
        )
        lower_right += here * load(
            features,
            y + dilation,
            x + dilation,
            c,
            is_pixel,
            channels,
            height,
            width,
            feature_c,
            feature_y,
            feature_x,
            SUM,
            INDEX,
        )
    similarity += sample * similarity_n
    norms += sample * height * width
    _store_both(
        similarity,
        norms,
        tl.sum(right, axis=0),
        y,
        x,
        0,
        dilation,
        4,
        is_pixel,
        height,
        width,
        similarity_t,
        similarity_y,
        similarity_x,
        INDEX,
    )
    _store_both(
        similarity,
        norms,
        tl.sum(lower_left, axis=0),
        y,
        x,
        dilation,
        -dilation,
        5,
        is_pixel,
        height,
        width,
        similarity_t,
        similarity_y,
        similarity_x,
        INDEX,
    )
    _store_both(
        similarity,
        norms,
        tl.sum(lower, axis=0),
        y,
        x,
        dilation,
        0,
        6,
        is_pixel,
        height,
        width,
        similarity_t,
        similarity_y,
        similarity_x,
        INDEX,
    )
    _store_both(
        similarity,
        norms,
        tl.sum(lower_right, axis=0),
        y,
        x,
        dilation,
        dilation,
        7,
        is_pixel,
        height,
        width,
        similarity_t,
        similarity_y,
        similarity_x,
        INDEX,
    )
