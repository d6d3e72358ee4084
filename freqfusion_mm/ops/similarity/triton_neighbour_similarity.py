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
from torch import Tensor

from ..library import empty_map
from ..triton import why_not as why_not_here
from ..triton.launch import index_dtype, sum_dtype
from . import triton_neighbour_similarity_kernels as kernels
from .triton_neighbour_similarity_gradient import grad_features


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
        kernels.write_similarity[grid](
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
        grad_features[grid](
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
        kernels.write_norms[grid](features, norms, channels, height, width, *features.stride(), **blocks)
    return norms


def _blocks(features: Tensor, *maps: Tensor) -> dict:
    """Pixels and channels of a step: long in the one that lies side by side in memory."""
    block, block_c = (16, 32) if features.stride(1) == 1 and features.shape[1] > 1 else (128, 4)
    return dict(BLOCK=block, BLOCK_C=block_c, SUM=sum_dtype(features), INDEX=index_dtype(features, *maps))
