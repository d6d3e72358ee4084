"""The kernel of `triton_neighbour_similarity`, backward: every pixel gathers from its neighbours."""

import triton
import triton.language as tl

from ..triton.launch import tuned
from .triton_pixels import CONFIGS, SIZES, length, load


@triton.jit
def _received(
    features,
    norms,
    grads,
    y,
    x,
    c,
    is_pixel,
    channels,
    height,
    width,
    dilation,
    feature_c,
    feature_y,
    feature_x,
    grad_t,
    grad_y,
    grad_x,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Gradient [channels, pixels] of the unit vectors: the neighbours' unit vectors times the gradients of the two
    similarities, this pixel's to the neighbour and the neighbour's to it, which are one number.
    """
    total = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    for direction in range(8):
        cell = direction + direction // 4  # in the 3 x 3 window, whose middle is no direction
        other_y, other_x = y + (cell // 3 - 1) * dilation, x + (cell % 3 - 1) * dilation
        inside = is_pixel & (other_y >= 0) & (other_y < height) & (other_x >= 0) & (other_x < width)
        to_other = grads + tl.cast(direction, INDEX) * grad_t + y.to(INDEX) * grad_y + x.to(INDEX) * grad_x
        from_other = (
            grads + tl.cast(7 - direction, INDEX) * grad_t + other_y.to(INDEX) * grad_y + other_x.to(INDEX) * grad_x
        )
        weight = tl.load(to_other, mask=inside, other=0.0).to(SUM) + tl.load(from_other, mask=inside, other=0.0).to(SUM)
        weight /= length(tl.load(norms + other_y.to(INDEX) * width + other_x, mask=inside, other=1.0))
        total += weight[None, :] * load(
            features,
            other_y,
            other_x,
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
    return total


@tuned(CONFIGS, key=['BLOCK'])
@triton.jit(do_not_specialize=SIZES + ['dilation', 'grad_n', 'grad_y', 'result_n', 'result_y'])
def grad_features(
    features,
    norms,
    grads,
    results,
    channels,
    height,
    width,
    dilation,
    feature_n,
    feature_c,
    feature_y,
    feature_x,
    grad_n,
    grad_t,
    grad_y,
    grad_x,
    result_n,
    result_c,
    result_y,
    result_x,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program: the gradient of a block of pixels, `results`."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    is_pixel = pixel < height * width
    y, x = pixel // width, pixel % width
    features += sample * feature_n
    grads += sample * grad_n
    norms += sample * height * width
    norm = tl.load(norms + pixel, mask=is_pixel, other=1.0)
    along = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    for first in range(0, channels, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        received = _received(
            features,
            norms,
            grads,
            y,
            x,
            c,
            is_pixel,
            channels,
            height,
            width,
            dilation,
            feature_c,
            feature_y,
            feature_x,
            grad_t,
            grad_y,
            grad_x,
            SUM,
            INDEX,
            BLOCK,
            BLOCK_C,
        )
        along += received * load(
            features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX
        )
    share = tl.sum(along, axis=0) / length(norm) / length(norm)
    results += sample * result_n
    for first in range(0, channels, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        received = _received(
            features,
            norms,
            grads,
            y,
            x,
            c,
            is_pixel,
            channels,
            height,
            width,
            dilation,
            feature_c,
            feature_y,
            feature_x,
            grad_t,
            grad_y,
            grad_x,
            SUM,
            INDEX,
            BLOCK,
            BLOCK_C,
        )
        here = load(features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX)
        result = (received - share[None, :] * here) / length(norm)[None, :]
        place = y.to(INDEX) * result_y + x.to(INDEX) * result_x
        tl.store(
            results + c.to(INDEX)[:, None] * result_c + place[None, :],
            result.to(results.dtype.element_ty),
            mask=is_pixel[None, :] & (c < channels)[:, None],
        )
