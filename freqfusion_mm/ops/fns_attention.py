"""Fine-neighbour attention: every output pixel is a weighted sum of k x k samples one coarse pixel apart around it.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (FNS).
Source: the contract is that of the CUDA extension `FNS_Attn` of zmhhmz/ReSFU (62e9d9c, no licence), written anew. Ours
runs on every device and float dtype, takes any pair of sizes, and has the true derivative everywhere, where the
original drops the gradient of the samples that are moved to the border.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .carafe import whole_ratio_way
from .library import empty_map, layout, register, triton_kernels

IMPLS = ('auto', 'triton', 'matmul', 'shifted', 'reference')
#: 64 MiB of float32, of a fine map that is laid out by corners.
_PART_ELEMENTS = 1 << 24


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


def _corner_and_phase(coarse: int, fine: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """In exact integer arithmetic: `floor(y) + 1`, the corner of the coarse grid (0 to `coarse`) that the window of
    each fine pixel sits on, and `2 * fine * (y - floor(y))`."""
    place = (2 * torch.arange(fine, device=device) + 1) * coarse + fine
    corner = place // (2 * fine)
    return corner, place - 2 * fine * corner


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
    corner, _ = _corner_and_phase(coarse, fine, value.device)
    phase = _phase(coarse, fine, dim, value)
    lower = corner - 1 + offset
    before, after = (value.index_select(dim, index.clamp(0, coarse - 1)) for index in (lower, lower + 1))
    return before * (1 - phase) + after * phase


# ---------------------------------------------------------------- reassembly


def _forward(attn: Tensor, value: Tensor, kernel_size: int, impl: str) -> Tensor:
    kernels = triton_kernels('fns_attention', impl, attn, value, kernel_size)
    if kernels is not None:
        out = kernels.forward(attn, value, kernel_size)
    else:
        masks = _masks(attn, value, kernel_size)  # [N, (k+1)^2, s*(h+1), t*(w+1)]
        way = whole_ratio_way(value, masks.shape[-2:], kernel_size + 1, impl)
        out = empty_map(value, (*value.shape[:2], *attn.shape[-2:]))
        for part in _parts(out):
            corners = way.forward(value[:, part], masks, kernel_size + 1, 1, 'replicate')
            for dim in (-2, -1):
                corners = _from_corners(corners, value.shape[dim], attn.shape[dim], dim)
            out[:, part] = corners
    return out.contiguous(memory_format=layout(value))


def _backward(grad: Tensor, attn: Tensor, value: Tensor, kernel_size: int, impl: str,
              needs: list[bool]) -> list[Tensor]:
    kernels = triton_kernels('fns_attention', impl, attn, value, kernel_size)
    if kernels is not None:
        grads = [function(grad, attn, value, kernel_size)
                 for function, need in zip((kernels.grad_attn, kernels.grad_value), needs) if need]
    else:
        masks = _masks(attn, value, kernel_size)
        way = whole_ratio_way(value, masks.shape[-2:], kernel_size + 1, impl)
        grad_value, grad_masks = torch.empty_like(value), torch.zeros_like(masks)
        for part in _parts(grad):
            corners = _scatter_to_corners(grad[:, part], value.shape[-2:])
            part_value, part_masks = way.backward(corners, value[:, part], masks, kernel_size + 1, 1, 'replicate',
                                                  *needs[::-1])
            if needs[0]:
                grad_masks += part_masks
            if needs[1]:
                grad_value[:, part] = part_value
        grads = [_smear_adjoint(grad_masks, attn.shape[-2:], value.shape[-2:], kernel_size)] if needs[0] else []
        grads += [grad_value] * needs[1]
    likes = [tensor for tensor, need in zip((attn, value), needs) if need]
    return [result.to(like.dtype).contiguous(memory_format=layout(like)) for result, like in zip(grads, likes)]


def _fake(attn: Tensor, value: Tensor, kernel_size: int, impl: str) -> Tensor:
    return empty_map(value, (*value.shape[:2], *attn.shape[-2:]))


_fns_attention = register('fns_attention', _forward, _backward, _reference, _fake)


def _parts(fine: Tensor) -> Iterator[slice]:
    """Slices of the channels of a fine map: laid out by corners it is another copy, so a large one is never whole."""
    channels = fine.shape[1]
    step = max(1, _PART_ELEMENTS // (fine.numel() // channels or 1))
    return (slice(first, min(first + step, channels)) for first in range(0, channels, step))


def _masks(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    """Weights of the pixels around every corner, with as many fine pixels for each."""
    masks = _smear(attn.to(torch.promote_types(attn.dtype, torch.float32)), value.shape[-2:], kernel_size)
    return _to_corners(masks, value.shape[-2:])


def _smear(attn: Tensor, size: torch.Size, kernel_size: int) -> Tensor:
    """Weights of samples to weights of pixels: each sample's weight is split between the two pixels around it."""
    masks = attn.unflatten(1, (kernel_size, kernel_size))
    for dim, pad in ((-2, (0, 0, 0, 0, 0, 0)), (-1, (0, 0, 0, 0))):  # pad: the axes behind the window's own
        phase = _phase(size[dim], attn.shape[dim], dim, attn)
        masks = F.pad(masks * (1 - phase), (*pad, 0, 1)) + F.pad(masks * phase, (*pad, 1, 0))
    return masks.flatten(1, 2)


def _smear_adjoint(grad: Tensor, fine: torch.Size, size: torch.Size, kernel_size: int) -> Tensor:
    """Transpose of `_masks`: each sample receives what its two pixels did, by their shares."""
    for dim in (-2, -1):
        grad = _from_corners(grad, size[dim], fine[dim], dim)
    grad = grad.unflatten(1, (kernel_size + 1, kernel_size + 1))
    for dim, axis in ((-2, 1), (-1, 2)):
        phase = _phase(size[dim], fine[dim], dim, grad)
        grad = grad.narrow(axis, 0, kernel_size) * (1 - phase) + grad.narrow(axis, 1, kernel_size) * phase
    return grad.flatten(1, 2)


def _phase(coarse: int, fine: int, dim: int, like: Tensor) -> Tensor:
    """`y - floor(y)` of the fine pixels along an axis."""
    _, phase = _corner_and_phase(coarse, fine, like.device)
    return (phase.to(like.dtype) / (2 * fine)).view(-1, *(1, ) * (-1 - dim))


def _to_corners(masks: Tensor, size: torch.Size) -> Tensor:
    """Lays the fine axes out so that every corner of the coarse map has the same number of fine pixels."""
    pad = _corner_pad(size, masks.shape[-2:])
    for dim, coarse in zip((-2, -1), size):
        fine = masks.shape[dim]
        if fine % coarse:
            first = _first(coarse, fine, masks.device)
            index = (first[:, None] + torch.arange(-(-fine // coarse), device=masks.device)).clamp(max=fine - 1)
            masks = masks.index_select(dim, index.flatten())
    return F.pad(masks, pad)


def _corner_pad(size: torch.Size, fine: torch.Size) -> tuple[int, int, int, int]:
    """Whole ratios: what of the outer corners' fine pixels lies outside the map, as `F.pad` takes it. Both axes at
    once: a copy of a fine map is what takes the memory."""
    leads = [_lead(*sides) if sides[1] % sides[0] == 0 else (0, 0) for sides in zip(size[::-1], fine[::-1])]
    return tuple(side for lead, ratio in leads for side in (lead, ratio - lead))


def _from_corners(out: Tensor, coarse: int, fine: int, dim: int) -> Tensor:
    """Inverse of `_to_corners`."""
    if fine % coarse == 0:
        return out.narrow(dim, _lead(coarse, fine)[0], fine)
    return out.index_select(dim, _place(coarse, fine, out.device))


def _scatter_to_corners(grad: Tensor, size: torch.Size) -> Tensor:
    """Transpose of `_from_corners`, of both axes."""
    pad = _corner_pad(size, grad.shape[-2:])
    for dim, coarse in zip((-2, -1), size):
        fine = grad.shape[dim]
        if fine % coarse:
            shape = list(grad.shape)
            shape[dim] = -(-fine // coarse) * (coarse + 1)
            grad = grad.new_zeros(shape).index_copy_(dim, _place(coarse, fine, grad.device), grad)
    return F.pad(grad, pad)


def _place(coarse: int, fine: int, device: torch.device) -> Tensor:
    """Where `_to_corners` puts each fine pixel."""
    corner, _ = _corner_and_phase(coarse, fine, device)
    place = torch.arange(fine, device=device) - _first(coarse, fine, device)[corner]
    return corner * -(-fine // coarse) + place


def _lead(coarse: int, fine: int) -> tuple[int, int]:
    """Whole ratios: how many of the first corner's fine pixels lie outside the map, and the ratio."""
    ratio = fine // coarse
    return (ratio + 1) // 2, ratio


def _first(coarse: int, fine: int, device: torch.device) -> Tensor:
    """The first fine pixel of each corner."""
    corner = torch.arange(coarse + 1, device=device)
    return (((2 * corner - 1) * fine + coarse - 1) // (2 * coarse)).clamp(min=0)
