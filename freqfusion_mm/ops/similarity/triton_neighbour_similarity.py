"""Cosine similarity of every pixel to its eight dilated neighbours, on GPUs, without unfolding.

The contract is that of `freqfusion_mm.ops.neighbour_similarity`. A first pass writes the norms, a second the
four directions that lie ahead in reading order; the opposite four are the same numbers, stored at the neighbours, and
every number has one writer. The backward pass gathers: what a pixel receives from a neighbour is the neighbour's unit
vector times the two gradients of their similarity. It reads the map twice, since the length of a vector does not
change its similarity: the part of the gradient along it is found first, and taken off.

By arithmetic (64 channels, half precision, an H200: 4 TB/s of copy, 33 T multiply-adds/s on the plain cores): a pixel
reads 128 bytes for its norm and 128 for its similarities, the neighbours' from the caches, and writes 20: 0.07 ns. Four
directions and the norm are 320 multiply-adds, 0.01 ns. The backward pass reads the map three times and writes it, 0.14
ns, and multiplies 2048 times, 0.06 ns. Blocks of 128 pixels times 4 channels, or 16 times 32 where channels lie side by
side, are a sector of memory or more a row; the configurations give a thread 4, 8 or 2 of their values.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..library import empty_map
from ..triton import why_not as why_not_here
from ..triton.launch import index_dtype, sum_dtype, tuned

_CONFIGS = [triton.Config({}, num_warps=warps) for warps in (4, 2, 8)]
_SIZES = ['channels', 'height', 'width', 'feature_n', 'feature_y']


def why_not(features: Tensor, dilation: int = 2) -> str | None:
    """Why the kernels cannot run on these arguments, or None."""
    if features.shape[0] > 65535:
        return f'the Triton kernels take at most 65535 samples, got {features.shape[0]}'
    return why_not_here(features)


def forward(features: Tensor, dilation: int = 2) -> Tensor:
    """[N, C, H, W] to the similarities [N, 8, H, W] in the dtype of `features`."""
    n, channels, height, width = features.shape
    similarity = empty_map(features, (n, 8, height, width))
    blocks = _blocks(features, similarity)
    grid = triton.cdiv(height * width, blocks['BLOCK']), n
    norms = _norms_of(features, grid, blocks)
    with torch.cuda.device_of(features):
        _similarity[grid](
            features,
            norms,
            similarity,
            channels,
            height,
            width,
            dilation,
            *features.stride(),
            *similarity.stride(),
            **blocks,
        )
    return similarity


def backward(grad: Tensor, features: Tensor, dilation: int = 2, *, needs: Sequence[bool] = (True,)) -> tuple[Tensor]:
    """Gradient of `features`; `grad` is that of the similarities."""
    n, channels, height, width = features.shape
    result = torch.empty_like(features)
    blocks = _blocks(features, grad, result)
    grid = triton.cdiv(height * width, blocks['BLOCK']), n
    norms = _norms_of(features, grid, blocks)
    with torch.cuda.device_of(features):
        _grad_features[grid](
            features,
            norms,
            grad,
            result,
            channels,
            height,
            width,
            dilation,
            *features.stride(),
            *grad.stride(),
            *result.stride(),
            **blocks,
        )
    return (result,)


def _norms_of(features: Tensor, grid: tuple[int, int], blocks: dict) -> Tensor:
    """[N, H, W], at least float32."""
    n, channels, height, width = features.shape
    dtype = torch.promote_types(features.dtype, torch.float32)
    norms = torch.empty(n, height, width, dtype=dtype, device=features.device)
    with torch.cuda.device_of(features):
        _norms[grid](features, norms, channels, height, width, *features.stride(), **blocks)
    return norms


def _blocks(features: Tensor, *maps: Tensor) -> dict:
    """Pixels and channels of a step: long in the one that lies side by side in memory."""
    block, block_c = (16, 32) if features.stride(1) == 1 and features.shape[1] > 1 else (128, 4)
    return dict(BLOCK=block, BLOCK_C=block_c, SUM=sum_dtype(features), INDEX=index_dtype(features, *maps))


@triton.jit
def _clamped(norm):
    """Norms to divide by, at least 1e-8 (in full precision, which a plain literal has not)."""
    return tl.maximum(norm, tl.full(norm.shape, 1e-8, norm.dtype))


@triton.jit
def _load(
    features,
    y,
    x,
    c,
    is_pixel,
    channels,
    height,
    width,
    stride_c,
    stride_y,
    stride_x,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
):
    """Values [channels, pixels] at some pixels; zeros outside the map."""
    inside = is_pixel & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    place = y.to(INDEX) * stride_y + x.to(INDEX) * stride_x
    return tl.load(
        features + c.to(INDEX)[:, None] * stride_c + place[None, :],
        mask=inside[None, :] & (c < channels)[:, None],
        other=0.0,
    ).to(SUM)


@tuned(_CONFIGS, key=['BLOCK'])
@triton.jit(do_not_specialize=_SIZES)
def _norms(
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
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    is_pixel = pixel < height * width
    y, x = pixel // width, pixel % width
    features += sample * feature_n
    squares = tl.zeros((BLOCK_C, BLOCK), dtype=SUM)
    for first in range(0, channels, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        values = _load(
            features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX
        )
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
    cosine = dot / _clamped(norm) / _clamped(other_norm)
    cosine = cosine.to(similarity.dtype.element_ty)
    here = similarity + y.to(INDEX) * stride_y + x.to(INDEX) * stride_x
    there = similarity + (y + dy).to(INDEX) * stride_y + (x + dx).to(INDEX) * stride_x
    tl.store(here + ahead * stride_t, cosine, mask=is_pixel)
    tl.store(there + (7 - ahead) * stride_t, cosine, mask=inside)
    none_behind = is_pixel & ((y - dy < 0) | (x - dx < 0) | (x - dx >= width))
    tl.store(here + (7 - ahead) * stride_t, tl.zeros_like(cosine), mask=none_behind)


@tuned(_CONFIGS, key=['BLOCK'])
@triton.jit(do_not_specialize=_SIZES + ['dilation', 'similarity_n', 'similarity_t', 'similarity_y'])
def _similarity(
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
        here = _load(features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX)
        right += here * _load(
            features, y, x + dilation, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX
        )
        lower_left += here * _load(
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
        lower += here * _load(
            features, y + dilation, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX
        )
        lower_right += here * _load(
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
        to_other = grads + direction * grad_t + y.to(INDEX) * grad_y + x.to(INDEX) * grad_x
        from_other = grads + (7 - direction) * grad_t + other_y.to(INDEX) * grad_y + other_x.to(INDEX) * grad_x
        weight = tl.load(to_other, mask=inside, other=0.0).to(SUM) + tl.load(from_other, mask=inside, other=0.0).to(SUM)
        weight /= _clamped(tl.load(norms + other_y.to(INDEX) * width + other_x, mask=inside, other=1.0))
        total += weight[None, :] * _load(
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


@tuned(_CONFIGS, key=['BLOCK'])
@triton.jit(do_not_specialize=_SIZES + ['dilation', 'grad_n', 'grad_y', 'result_n', 'result_y'])
def _grad_features(
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
        along += received * _load(
            features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX
        )
    # A vector shorter than 1e-8 is divided by that, whatever its length: nothing is taken off.
    share = tl.where(norm == _clamped(norm), tl.sum(along, axis=0) / _clamped(norm) / _clamped(norm), 0.0)
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
        here = _load(features, y, x, c, is_pixel, channels, height, width, feature_c, feature_y, feature_x, SUM, INDEX)
        result = (received - share[None, :] * here) / _clamped(norm)[None, :]
        place = y.to(INDEX) * result_y + x.to(INDEX) * result_x
        tl.store(
            results + c.to(INDEX)[:, None] * result_c + place[None, :],
            result.to(results.dtype.element_ty),
            mask=is_pixel[None, :] & (c < channels)[:, None],
        )
