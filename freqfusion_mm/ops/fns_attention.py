"""Fine-neighbour attention: every output pixel is a weighted sum of k x k samples one coarse pixel apart around it.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (FNS).
Source: the contract is that of the CUDA extension `FNS_Attn` of zmhhmz/ReSFU (62e9d9c, no licence), written anew. Ours
runs on every device and float dtype, takes any pair of sizes, and has the true derivative everywhere, where the
original drops the gradient of the samples that are moved to the border.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .carafe import reassemble_whole_ratio

IMPLS = ('auto', 'matmul', 'shifted', 'reference')


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
        sample is ever stored, and only `value` and (k+1)^2 weight maps are kept for the backward pass.

    Args:
        attn: [N, k*k, H, W], any float dtype; a wider one than that of `value` costs no precision.
        value: [N, C, h, w], any float dtype.
        kernel_size: odd window width k.
        impl: 'matmul' and 'shifted' are the reassembly above, by the ways of `carafe`; 'reference' is the definition
            in plain differentiable indexing, for tests; 'auto' picks as `carafe` does. Half-precision inputs are
            accumulated in float32.

    Returns:
        [N, C, H, W] in the dtype of `value`. Differentiable twice in both arguments. H/h and W/w may be any ratios,
        fractional, different from each other, and below one.

    Raises:
        TypeError: tensors on different devices or of non-float dtypes.
        ValueError: shapes, kernel size or impl that do not fit.

    Example:
        >>> value = torch.rand(1, 8, 5, 7)
        >>> attn = torch.rand(1, 9, 20, 25).softmax(dim=1)
        >>> fns_attention(attn, value, kernel_size=3).shape
        torch.Size([1, 8, 20, 25])
    """
    _check(attn, value, kernel_size, impl)
    weights = attn.to(torch.promote_types(attn.dtype, torch.float32))
    if impl == 'reference':
        return _reference(weights, value, kernel_size)
    masks = _smear(weights, value.shape[-2:], kernel_size)  # [N, (k+1)^2, H, W]
    for dim in (-2, -1):
        masks = _to_corners(masks, value.shape[dim], dim)  # [N, (k+1)^2, s*(h+1), t*(w+1)]
    out = reassemble_whole_ratio(value, masks, kernel_size + 1, padding='replicate', impl=impl)
    for dim in (-2, -1):
        out = _from_corners(out, value.shape[dim], attn.shape[dim], dim)
    return out  # [N, C, H, W]


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


def _reference(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
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
    corner, phase = _corner_and_phase(coarse, fine, value.device)
    lower = corner - 1 + offset
    phase = (phase.to(value.dtype) / (2 * fine)).view(-1, *(1, ) * (-1 - dim))
    before, after = (value.index_select(dim, index.clamp(0, coarse - 1)) for index in (lower, lower + 1))
    return before * (1 - phase) + after * phase


# ---------------------------------------------------------------- reassembly


def _smear(attn: Tensor, size: torch.Size, kernel_size: int) -> Tensor:
    """Weights of samples to weights of pixels: each sample's weight is split between the two pixels around it."""
    masks = attn.unflatten(1, (kernel_size, kernel_size))
    for dim, pad in ((-2, (0, 0, 0, 0, 0, 0)), (-1, (0, 0, 0, 0))):  # pad: the axes behind the window's own
        fine = attn.shape[dim]
        _, phase = _corner_and_phase(size[dim], fine, attn.device)
        phase = (phase.to(attn.dtype) / (2 * fine)).view(-1, *(1, ) * (-1 - dim))
        masks = F.pad(masks * (1 - phase), (*pad, 0, 1)) + F.pad(masks * phase, (*pad, 1, 0))
    return masks.flatten(1, 2)


def _to_corners(masks: Tensor, coarse: int, dim: int) -> Tensor:
    """Lays a fine axis out so that every corner of the coarse axis has the same number of fine pixels."""
    fine = masks.shape[dim]
    if fine % coarse == 0:
        lead, ratio = _lead(coarse, fine)
        return F.pad(masks, (*(0, 0) * (-1 - dim), lead, ratio - lead))
    ratio = -(-fine // coarse)
    first = _first(coarse, fine, masks.device)
    index = (first[:, None] + torch.arange(ratio, device=masks.device)).clamp(max=fine - 1)
    return masks.index_select(dim, index.flatten())


def _from_corners(out: Tensor, coarse: int, fine: int, dim: int) -> Tensor:
    """Inverse of `_to_corners`."""
    if fine % coarse == 0:
        return out.narrow(dim, _lead(coarse, fine)[0], fine)
    ratio = -(-fine // coarse)
    corner, _ = _corner_and_phase(coarse, fine, out.device)
    place = torch.arange(fine, device=out.device) - _first(coarse, fine, out.device)[corner]
    return out.index_select(dim, corner * ratio + place)


def _lead(coarse: int, fine: int) -> tuple[int, int]:
    """Whole ratios: how many of the first corner's fine pixels lie outside the map, and the ratio."""
    ratio = fine // coarse
    return (ratio + 1) // 2, ratio


def _first(coarse: int, fine: int, device: torch.device) -> Tensor:
    """The first fine pixel of each corner."""
    corner = torch.arange(coarse + 1, device=device)
    return (((2 * corner - 1) * fine + coarse - 1) // (2 * coarse)).clamp(min=0)
