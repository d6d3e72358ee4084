"""Cosine similarity of every pixel to its eight dilated neighbours."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..library import CAN_REGISTER, NAMESPACE, empty_map, layout, triton_kernels


def neighbour_similarity(features: Tensor, dilation: int = 2) -> Tensor:
    """Cosine similarity of each pixel to the 3 x 3 neighbourhood around it, without the centre.

    Paper: FreqFusion (TPAMI 2024), local similarity of the offset generator.

    Convention:
        Channel order is row by row of the window: (-d,-d), (-d,0), (-d,d), (0,-d), (0,d), (d,-d), (d,0), (d,d).
        A neighbour outside the map counts as the zero vector, so its similarity is zero. Norms are clamped at 1e-8,
        as in `torch.nn.functional.cosine_similarity`.
        Similarity is symmetric, so four directions are computed and the opposite four are the same maps, shifted.

    Args:
        features: [N, C, H, W].
        dilation: distance d of the neighbours in pixels.

    Returns:
        [N, 8, H, W] in the dtype of `features`.

    Example:
        >>> neighbour_similarity(torch.ones(1, 4, 5, 5))[0, :, 2, 2].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    if features.dim() != 4:
        raise ValueError(f'features must be [N, C, H, W], got shape {tuple(features.shape)}')
    if dilation < 1:
        raise ValueError(f'dilation must be at least 1, got {dilation}')
    if features.is_cuda and CAN_REGISTER and not torch.onnx.is_in_onnx_export():
        return _op(features, dilation)[0]
    return _in_torch(features, dilation)


def _in_torch(features: Tensor, dilation: int) -> Tensor:
    dtype = torch.promote_types(features.dtype, torch.float32)  # half precision overflows in the squared norm
    unit = F.normalize(features.to(dtype), dim=1, eps=1e-8)
    padded = F.pad(unit, (dilation,) * 4)
    later = [
        (unit * _shift(padded, dy, dx, dilation)).sum(dim=1)
        for dy, dx in ((0, dilation), (dilation, -dilation), (dilation, 0), (dilation, dilation))
    ]
    offsets = ((0, -dilation), (-dilation, dilation), (-dilation, 0), (-dilation, -dilation))
    earlier = [
        _shift(F.pad(similarity, (dilation,) * 4), dy, dx, dilation) for similarity, (dy, dx) in zip(later, offsets)
    ]
    return torch.stack(earlier[::-1] + later, dim=1).to(features.dtype)


def _shift(padded: Tensor, dy: int, dx: int, pad: int) -> Tensor:
    """View of the padded map in which pixel (Y, X) holds pixel (Y + dy, X + dx)."""
    height, width = padded.shape[-2] - 2 * pad, padded.shape[-1] - 2 * pad
    return padded[..., pad + dy : pad + dy + height, pad + dx : pad + dx + width]


# ---------------------------------------------------------------- on GPUs, where one kernel reads the map once


def _forward(features: Tensor, dilation: int, impl: str = 'auto') -> tuple[Tensor, Tensor]:
    """The similarities, and the norms of all pixels [N, H, W] for the backward pass."""
    kernels = triton_kernels('similarity.triton_neighbour_similarity', impl, features, dilation)
    if kernels is not None:
        return kernels.forward(features, dilation)
    norms = features.to(torch.promote_types(features.dtype, torch.float32)).norm(dim=1)
    return _in_torch(features, dilation).contiguous(memory_format=layout(features)), norms


def _backward(grad: Tensor, features: Tensor, norms: Tensor, dilation: int, impl: str) -> Tensor:
    kernels = triton_kernels('similarity.triton_neighbour_similarity', impl, features, dilation)
    if kernels is not None:
        result = kernels.grad_features(grad, features, norms, dilation)
    else:
        result = _gradient(grad.to(norms.dtype), features.to(norms.dtype), norms[:, None], dilation).to(features.dtype)
    return result.contiguous(memory_format=layout(features))


def _gradient(grad: Tensor, features: Tensor, norms: Tensor, dilation: int) -> Tensor:
    """What a pixel receives from a neighbour is the neighbour's unit vector times both gradients of their similarity;
    the part along the pixel's own vector changes nothing but its length, and is taken off.
    """
    unit = F.normalize(features, dim=1, eps=1e-8)
    padded, padded_grad = (F.pad(tensor, (dilation,) * 4) for tensor in (unit, grad))
    steps = (-dilation, 0, dilation)
    received = torch.zeros_like(unit)
    for tap, (dy, dx) in enumerate((dy, dx) for dy in steps for dx in steps if dy or dx):
        both = grad[:, tap] + _shift(padded_grad[:, 7 - tap], dy, dx, dilation)
        received.addcmul_(both[:, None], _shift(padded, dy, dx, dilation))
    along = unit * (unit * received).sum(dim=1, keepdim=True)
    return torch.where(norms > 1e-8, received - along, received) / norms.clamp(min=1e-8)


if CAN_REGISTER:
    _op = torch.library.custom_op(f'{NAMESPACE}::neighbour_similarity', _forward, mutates_args=())
    _backward_op = torch.library.custom_op(f'{NAMESPACE}::neighbour_similarity_backward', _backward, mutates_args=())

    @_op.register_fake
    def _fake(features: Tensor, dilation: int, impl: str = 'auto') -> tuple[Tensor, Tensor]:
        n, _, height, width = features.shape
        dtype = torch.promote_types(features.dtype, torch.float32)
        return empty_map(features, (n, 8, height, width)), features.new_empty(n, height, width, dtype=dtype)

    @_backward_op.register_fake
    def _fake_backward(grad: Tensor, features: Tensor, norms: Tensor, dilation: int, impl: str) -> Tensor:
        return empty_map(features, features.shape)

    def _setup(ctx, inputs, output):
        features, ctx.dilation, ctx.impl = inputs
        ctx.save_for_backward(features, output[1])
        ctx.mark_non_differentiable(output[1])

    def _differentiate(ctx, grad, _):
        features, norms = ctx.saved_tensors
        if torch.is_grad_enabled():  # a higher derivative is wanted
            out = _in_torch(features, ctx.dilation)
            return torch.autograd.grad(out, features, grad, create_graph=True)[0], None, None
        return _backward_op(grad, features, norms, ctx.dilation, ctx.impl), None, None

    _op.register_autograd(_differentiate, setup_context=_setup)
