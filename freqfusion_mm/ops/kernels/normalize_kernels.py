"""Turns predicted logits into reassembly kernels that sum to one."""

import torch
from torch import Tensor

from ..library import CAN_REGISTER, NAMESPACE, empty_map, layout, triton_kernels


def normalize_kernels(logits: Tensor, kernel_size: int, window: Tensor | None = None) -> Tensor:
    """Softmax over each k x k kernel, optionally times a window and renormalised.

    Paper: FreqFusion (TPAMI 2024), the normalisation of the low-pass kernels; without window that of CARAFE.

    Convention:
        Channel `g*k*k + i*k + j` is tap (i, j) of group g. `softmax(z) * window`, renormalised, is computed as
        `softmax(z + log(window))`: the same numbers in one pass.

    Args:
        logits: [N, G * k*k, H, W].
        kernel_size: k.
        window: [k, k], positive; None for a plain softmax.

    Returns:
        Kernels of the shape of `logits`, at least float32 whatever the dtype of the logits. Differentiable any number
        of times in the logits and in a window that requires it.

    Example:
        >>> kernels = normalize_kernels(torch.randn(1, 18, 4, 4), kernel_size=3)
        >>> torch.allclose(kernels.view(1, 2, 9, 4, 4).sum(dim=2), torch.ones(1, 2, 4, 4))
        True
    """
    taps = kernel_size**2
    if logits.dim() != 4 or logits.shape[1] % taps:
        raise ValueError(
            f'logits must be [N, G * {taps}, H, W] for kernel_size={kernel_size}, got shape {tuple(logits.shape)}'
        )
    learns_window = window is not None and window.requires_grad
    if CAN_REGISTER and not learns_window and not torch.onnx.is_in_onnx_export():
        return _op(logits, kernel_size, window)
    return _in_torch(logits, kernel_size, window)


def _in_torch(logits: Tensor, kernel_size: int, window: Tensor | None) -> Tensor:
    taps = kernel_size**2
    dtype = torch.promote_types(logits.dtype, torch.float32)
    n, _, height, width = logits.shape
    kernels = logits.to(dtype).reshape(n, -1, taps, height, width)  # ONNX: unflatten would fix the sizes
    if window is not None:
        kernels = kernels + window.to(dtype).log().view(taps, 1, 1)
    return kernels.softmax(dim=2).flatten(1, 2)


def hamming_window(kernel_size: int) -> Tensor:
    """Outer product of two symmetric Hamming windows, [k, k] float32: `0.54 - 0.46 cos(2 pi n / (k-1))`."""
    window = torch.hamming_window(kernel_size, periodic=False, dtype=torch.float64)
    return torch.outer(window, window).float()


# ---------------------------------------------------------------- registered: on GPUs one kernel does it all


def _forward(logits: Tensor, kernel_size: int, window: Tensor | None, impl: str = 'auto') -> Tensor:
    kernels = triton_kernels('kernels.triton_normalize_kernels', impl, logits, kernel_size, window)
    if kernels is not None:
        return kernels.forward(logits, kernel_size, window).contiguous(memory_format=layout(logits))
    return _in_torch(logits, kernel_size, window).contiguous(memory_format=layout(logits))


def _backward(grad: Tensor, kernels: Tensor, dtype: torch.dtype, kernel_size: int, impl: str) -> Tensor:
    """Gradient of logits that had `dtype`; of them nothing is kept."""
    logits = kernels.new_empty(1, dtype=dtype).expand(kernels.shape)  # their dtype and shape, without memory
    module = triton_kernels('kernels.triton_normalize_kernels', impl, logits, kernel_size)
    if module is not None:
        return module.grad_logits(grad, kernels, logits, kernel_size).contiguous(memory_format=layout(kernels))
    return _gradient(grad, kernels, kernel_size).to(dtype).contiguous(memory_format=layout(kernels))


def _gradient(grad: Tensor, kernels: Tensor, kernel_size: int) -> Tensor:
    n, _, height, width = kernels.shape
    kernels, grad = (tensor.reshape(n, -1, kernel_size**2, height, width) for tensor in (kernels, grad))
    return torch.ops.aten._softmax_backward_data(grad, kernels, 2, kernels.dtype).flatten(1, 2)


if CAN_REGISTER:
    _op = torch.library.custom_op(f'{NAMESPACE}::normalize_kernels', _forward, mutates_args=())
    _backward_op = torch.library.custom_op(f'{NAMESPACE}::normalize_kernels_backward', _backward, mutates_args=())

    @_op.register_fake
    def _fake(logits: Tensor, kernel_size: int, window: Tensor | None, impl: str = 'auto') -> Tensor:
        return empty_map(logits, logits.shape, torch.promote_types(logits.dtype, torch.float32))

    @_backward_op.register_fake
    def _fake_backward(grad: Tensor, kernels: Tensor, dtype: torch.dtype, kernel_size: int, impl: str) -> Tensor:
        return empty_map(kernels, kernels.shape, dtype)

    def _setup(ctx, inputs, output):
        logits, ctx.kernel_size, _, ctx.impl = inputs
        ctx.dtype = logits.dtype
        ctx.save_for_backward(output)

    def _differentiate(ctx, grad):
        (kernels,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # a higher derivative is wanted
            return _gradient(grad, kernels, ctx.kernel_size).to(ctx.dtype), None, None, None
        return _backward_op(grad, kernels, ctx.dtype, ctx.kernel_size, ctx.impl), None, None, None

    _op.register_autograd(_differentiate, setup_context=_setup)
