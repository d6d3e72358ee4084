"""Fine-neighbour attention: every output pixel is a weighted sum of k x k samples one coarse pixel apart around it.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (FNS).
Source: the contract is that of the CUDA extension `FNS_Attn` of zmhhmz/ReSFU (62e9d9c, no licence), written anew. Ours
runs on every device and float dtype, takes any pair of sizes, and has the true derivative everywhere, where the
original drops the gradient of the samples that are moved to the border.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..dispatch import Implementation, Operator
from ..library import empty_map
from ..triton import Kernels
from . import exported, matmul, reference, shifted
from .carafe import preferred


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
        sample is ever stored, and only the two inputs are kept for the backward pass. A value that is not finite may
        spoil its neighbours' windows, too.

    Args:
        attn: [N, k*k, H, W], any float dtype; a wider one than that of `value` costs no precision.
        value: [N, C, h, w], any float dtype.
        kernel_size: odd window width k.
        impl: 'triton', 'matmul' and 'shifted' are the reassembly above, by the ways of `carafe`; 'reference' is the
            definition in plain differentiable indexing, for tests and higher derivatives; 'auto' picks as
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
    _check(attn, value, kernel_size)
    return _fns_attention(attn, value, kernel_size, impl=impl)


def _check(attn: Tensor, value: Tensor, kernel_size: int) -> None:
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


class Smeared:
    """A way of `carafe`, given the weights of pixels."""

    def __init__(self, way: Implementation) -> None:
        self.way = way

    def why_not(self, attn: Tensor, value: Tensor, kernel_size: int) -> str | None:
        return self.way.why_not(value, attn, kernel_size + 1, 1, 'replicate')

    def forward(self, attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
        masks = _smear(attn, value, kernel_size)  # [N, (k+1)^2, H, W]
        return self.way.forward(value, masks, kernel_size + 1, 1, 'replicate')

    def backward(
        self, grad: Tensor, attn: Tensor, value: Tensor, kernel_size: int, *, needs: Sequence[bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        masks = _smear(attn, value, kernel_size)
        grad_value, grad_masks = self.way.backward(
            grad, value, masks, kernel_size + 1, 1, 'replicate', needs=needs[::-1]
        )
        return _smear_adjoint(grad_masks, value.shape[-2:], kernel_size) if needs[0] else None, grad_value


def _smear(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    """Weights of samples to weights of pixels: each sample's weight is split between the two pixels around it.

    As precise as both maps, and at least float32.
    """
    masks = attn.to(reference.wider_dtype(attn, value)).unflatten(1, (kernel_size, kernel_size))
    for dim, pad in ((-2, (0, 0, 0, 0, 0, 0)), (-1, (0, 0, 0, 0))):  # pad: the axes behind the window's own
        phase = reference.axis_phase(value.shape[dim], masks.shape[dim], dim, masks)
        masks = F.pad(masks * (1 - phase), (*pad, 0, 1)) + F.pad(masks * phase, (*pad, 1, 0))
    return masks.flatten(1, 2)


def _smear_adjoint(grad: Tensor, size: torch.Size, kernel_size: int) -> Tensor:
    """Transpose of `_smear`: each sample receives what its two pixels did, by their shares."""
    grad = grad.unflatten(1, (kernel_size + 1, kernel_size + 1))
    for dim, axis in ((-2, 1), (-1, 2)):
        phase = reference.axis_phase(size[dim], grad.shape[dim], dim, grad)
        grad = grad.narrow(axis, 0, kernel_size) * (1 - phase) + grad.narrow(axis, 1, kernel_size) * phase
    return grad.flatten(1, 2)


def _fake(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    return empty_map(value, (*value.shape[:2], *attn.shape[-2:]))


_fns_attention = Operator(
    'fns_attention',
    'Tensor attn, Tensor value, SymInt kernel_size',
    definition=reference.fns_attention,
    fake=_fake,
    implementations={
        'triton': Kernels('reassembly.triton_fns_attention'),
        'matmul': Smeared(matmul),
        'shifted': Smeared(shifted),
    },
    prefer=lambda attn, value, kernel_size: preferred(value, attn),
    like=1,
    exported=exported.fns_attention,
)
