"""Fine-neighbour attention: every output pixel is a weighted sum of k x k samples one coarse pixel apart around it.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (FNS).
Source: the contract is that of the CUDA extension `FNS_Attn` of zmhhmz/ReSFU (62e9d9c, no licence), written anew. Ours
runs on every device and float dtype, takes any pair of sizes, and has the true derivative everywhere, where the
original drops the gradient of the samples that are moved to the border.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grid import corner_and_phase
from ..library import empty_map, layout, register, triton_kernels
from .carafe import eager_way

IMPLS = ('auto', 'triton', 'matmul', 'shifted', 'reference')


def fns_attention(attn: Tensor, value: Tensor, kernel_size: int, *, impl: str = 'auto') -> Tensor:
    """Sum k x k bilinear samples of `value` around each output pixel, weighted by `attn`.

    A window around the output pixel's own centre, not around the coarse pixel that it lies in: neighbouring output
    pixels read different samples, so high ratios leave no mosaic.

    Convention:
        `out[n,c,Y,X] = sum_ij attn[n, i*k + j, Y, X] * value[n, c](y + i - r, x + j - r)` with `r = (k-1)/2`,
        `y = (Y + 1/2) * h/H - 1/2` (the grid of `align_corners=False`), x alike, and `value(y, x)` the bilinear sample
        at the place that is nearest inside [0, h-1] x [0, w-1]. A single 1 in the middle of the window is
        bilinear interpolation. The weights are used as they are: normalise them before.

        Cheap, because the samples of one output pixel share their phase: the k x k bilinear samples are one weighted
        sum of the (k+1) x (k+1) coarse pixels around, whose weights are `attn`, smeared by the phase along each axis.
        That is a local reassembly with the border repeated: (k+1)^2 multiply-adds an output value instead of 4 k^2, no
        sample is ever stored, and only the two inputs are kept for the backward pass.

    Args:
        attn: [N, k*k, H, W], any float dtype; a wider one than that of `value` costs no precision.
        value: [N, C, h, w], any float dtype.
        kernel_size: odd window width k.
        impl: 'triton', 'matmul' and 'shifted' are the reassembly above, by the ways of `carafe`; 'reference' is the
            definition in plain differentiable indexing, for tests, higher derivatives and ONNX; 'auto' picks as
            `carafe` does. Half-precision inputs are accumulated in float32.

    Returns:
        [N, C, H, W] in the dtype of `value`, channels last where it is. Differentiable twice in both arguments. H/h and
        W/w may be any ratios, fractional, different from each other, and below one.

    Raises:
        TypeError: tensors on different devices or of non-float dtypes.
        ValueError: shapes, kernel size or impl that do not fit; a named impl that cannot run here.

    Example:
        >>> value = torch.rand(1, 8, 5, 7)
        >>> attn = torch.rand(1, 9, 20, 25).softmax(dim=1)
        >>> fns_attention(attn, value, kernel_size=3).shape
        torch.Size([1, 8, 20, 25])
    """
    _check(attn, value, kernel_size, impl)
    if impl == 'reference' or torch.onnx.is_in_onnx_export():
        return _reference(attn, value, kernel_size)
    return _fns_attention(attn, value, kernel_size, impl)


def _check(attn: Tensor, value: Tensor, kernel_size: int, impl: str) -> None:
    if impl not in IMPLS:
        raise ValueError(f'impl must be one of {IMPLS}, got {impl!r}')
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f'kernel_size must be odd and positive (the window is centred), got {kernel_size}')
    for name, tensor in (('attn', attn), ('value', value)):
        if tensor.dim() != 4 or 0 in tensor.shape[1:]:
            raise ValueError(f'{name} must be a non-empty map [N, C, H, W], got shape {tuple(tensor.shape)}')
        if not tensor.is_floating_point():
            raise TypeError(f'{name} must be floating point, got {tensor.dtype}')
    if attn.device != value.device:
        raise TypeError(f'attn and value must share a device, got {attn.device} and {value.device}')
    if attn.shape[0] != value.shape[0]:
        raise ValueError(f'attn and value must have one batch size, got {attn.shape[0]} and {value.shape[0]}')
    if attn.shape[1] != kernel_size**2:
        raise ValueError(f'attn must have kernel_size**2 = {kernel_size**2} channels, got {attn.shape[1]}')


# ---------------------------------------------------------------- the definition


def _reference(attn: Tensor, value: Tensor, kernel_size: int, impl: str = 'reference') -> Tensor:
    attn = attn.to(torch.promote_types(attn.dtype, torch.float32))
    (height, width), samples = attn.shape[-2:], value.to(attn.dtype)
    out = samples.new_zeros(*value.shape[:2], height, width)
    for i in range(kernel_size):
        rows = _sample(samples, height, i - kernel_size // 2, -2)
        for j in range(kernel_size):
            out = out + attn[:, i * kernel_size + j, None] * _sample(rows, width, j - kernel_size // 2, -1)
    return out.to(value.dtype)


def _sample(value: Tensor, fine: int, offset: int, dim: int) -> Tensor:
    """Linear samples along an axis, at the fine pixels' places moved by whole coarse pixels and into the map."""
    coarse = value.shape[dim]
    corner, _ = corner_and_phase(coarse, fine, value.device)
    phase = _phase(coarse, fine, dim, value)
    lower = corner - 1 + offset
    before, after = (value.index_select(dim, index.clamp(0, coarse - 1)) for index in (lower, lower + 1))
    return before * (1 - phase) + after * phase


# ---------------------------------------------------------------- reassembly


def _forward(attn: Tensor, value: Tensor, kernel_size: int, impl: str) -> Tensor:
    kernels = triton_kernels('reassembly.triton_fns_attention', impl, attn, value, kernel_size)
    if kernels is not None:
        out = kernels.forward(attn, value, kernel_size)
    else:
        masks = _smear(attn, value.shape[-2:], kernel_size)  # [N, (k+1)^2, H, W]
        out = eager_way(value, masks, impl).forward(value, masks, kernel_size + 1, 1, 'replicate')
    return out.contiguous(memory_format=layout(value))


def _backward(
    grad: Tensor, attn: Tensor, value: Tensor, kernel_size: int, impl: str, needs: list[bool]
) -> list[Tensor]:
    kernels = triton_kernels('reassembly.triton_fns_attention', impl, attn, value, kernel_size)
    if kernels is not None:
        grads = [
            function(grad, attn, value, kernel_size)
            for function, need in zip((kernels.grad_attn, kernels.grad_value), needs)
            if need
        ]
    else:
        masks = _smear(attn, value.shape[-2:], kernel_size)
        grad_value, grad_masks = eager_way(value, masks, impl).backward(
            grad, value, masks, kernel_size + 1, 1, 'replicate', *needs[::-1]
        )
        grads = [_smear_adjoint(grad_masks, value.shape[-2:], kernel_size)] if needs[0] else []
        grads += [grad_value] * needs[1]
    likes = [tensor for tensor, need in zip((attn, value), needs) if need]
    return [result.to(like.dtype).contiguous(memory_format=layout(like)) for result, like in zip(grads, likes)]


def _fake(attn: Tensor, value: Tensor, kernel_size: int, impl: str) -> Tensor:
    return empty_map(value, (*value.shape[:2], *attn.shape[-2:]))


_fns_attention = register('fns_attention', _forward, _backward, _reference, _fake)


def _smear(attn: Tensor, size: torch.Size, kernel_size: int) -> Tensor:
    """Weights of samples to weights of pixels, at least float32: each sample's weight is split between the two pixels
    around it.
    """
    masks = attn.to(torch.promote_types(attn.dtype, torch.float32)).unflatten(1, (kernel_size, kernel_size))
    for dim, pad in ((-2, (0, 0, 0, 0, 0, 0)), (-1, (0, 0, 0, 0))):  # pad: the axes behind the window's own
        phase = _phase(size[dim], masks.shape[dim], dim, masks)
        masks = F.pad(masks * (1 - phase), (*pad, 0, 1)) + F.pad(masks * phase, (*pad, 1, 0))
    return masks.flatten(1, 2)


def _smear_adjoint(grad: Tensor, size: torch.Size, kernel_size: int) -> Tensor:
    """Transpose of `_smear`: each sample receives what its two pixels did, by their shares."""
    grad = grad.unflatten(1, (kernel_size + 1, kernel_size + 1))
    for dim, axis in ((-2, 1), (-1, 2)):
        phase = _phase(size[dim], grad.shape[dim], dim, grad)
        grad = grad.narrow(axis, 0, kernel_size) * (1 - phase) + grad.narrow(axis, 1, kernel_size) * phase
    return grad.flatten(1, 2)


def _phase(coarse: int, fine: int, dim: int, like: Tensor) -> Tensor:
    """`y - floor(y)` of the fine pixels along an axis."""
    _, phase = corner_and_phase(coarse, fine, like.device)
    return (phase.to(like.dtype) / (2 * fine)).view(-1, *(1,) * (-1 - dim))
