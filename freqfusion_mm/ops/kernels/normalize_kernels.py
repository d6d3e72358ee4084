"""Turns predicted logits into reassembly kernels that sum to one."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..dispatch import Operator
from ..library import CAN_REGISTER, empty_map, layout, node
from ..triton import Kernels
from . import reference, softmax


def normalize_kernels(logits: Tensor, kernel_size: int, window: Tensor | None = None, *, impl: str = 'auto') -> Tensor:
    """Softmax over each k x k kernel, optionally times a window and renormalised.

    Paper: FreqFusion (TPAMI 2024), the normalisation of the low-pass kernels; without window that of CARAFE.

    Convention:
        Channel `g*k*k + i*k + j` is tap (i, j) of group g. `softmax(z) * window`, renormalised, is computed as
        `softmax(z + log(window))`: the same numbers in one pass.

    Args:
        logits: [N, G * k*k, H, W].
        kernel_size: k.
        window: [k, k], positive; None for a plain softmax.
        impl: 'triton' is a kernel for NVIDIA GPUs, 'softmax' torch's own; both keep the result alone for the backward
            pass, and have no gradient for the window. 'reference' is the definition. 'auto' picks 'triton' where it
            runs, else 'softmax', and 'reference' for a window that requires a gradient.

    Returns:
        Kernels of the shape of `logits`, at least float32 whatever the dtype of the logits. Differentiable any number
        of times in the logits and in a window that requires it.

    Raises:
        ValueError: channels that are no whole number of kernels; a window of another size; an impl that is none, or
            cannot run here.

    Example:
        >>> kernels = normalize_kernels(torch.randn(1, 18, 4, 4), kernel_size=3)
        >>> torch.allclose(kernels.view(1, 2, 9, 4, 4).sum(dim=2), torch.ones(1, 2, 4, 4))
        True
    """
    if kernel_size < 1:
        raise ValueError(f'kernel_size must be positive, got {kernel_size}')
    taps = kernel_size**2
    if logits.dim() != 4 or logits.shape[1] % taps:
        raise ValueError(
            f'logits must be [N, G * {taps}, H, W] for kernel_size={kernel_size}, got shape {tuple(logits.shape)}'
        )
    if window is not None and tuple(window.shape) != (kernel_size, kernel_size):
        raise ValueError(f'window must be [{kernel_size}, {kernel_size}], got shape {tuple(window.shape)}')
    if window is not None and window.requires_grad:
        if impl not in ('auto', 'reference'):
            raise ValueError(f"impl={impl!r} has no gradient for the window: use impl='auto', or a window without")
        impl = 'reference'
    return _normalize_kernels(logits, kernel_size, window, impl=impl)


def hamming_window(kernel_size: int) -> Tensor:
    """Outer product of two symmetric Hamming windows, [k, k] float32: `0.54 - 0.46 cos(2 pi n / (k-1))`."""
    window = torch.hamming_window(kernel_size, periodic=False, dtype=torch.float64)
    return torch.outer(window, window).float()


class _FromResult(Operator):
    """Keeps the result for the backward pass, which needs nothing else, and which the next operator keeps anyway."""

    def _register(self) -> Callable:
        if not CAN_REGISTER:
            return lambda *args: self.definition(*args[:-1])
        backward = node(
            f'{self.name}_backward',
            '(Tensor grad, Tensor kernels, ScalarType dtype, SymInt kernel_size, str impl) -> Tensor',
            self._backward,
            lambda grad, kernels, dtype, *options: empty_map(kernels, kernels.shape, dtype),
        )

        def setup(ctx, inputs, output):
            logits, ctx.kernel_size, _, ctx.impl = inputs
            ctx.dtype = logits.dtype
            ctx.save_for_backward(output)

        def differentiate(ctx, grad):
            (kernels,) = ctx.saved_tensors
            if torch.is_grad_enabled():  # a higher derivative is wanted
                return softmax.backward(grad, kernels, ctx.dtype, ctx.kernel_size), None, None, None
            return backward(grad, kernels, ctx.dtype, ctx.kernel_size, ctx.impl), None, None, None

        forward = node(
            self.name, f'({self.arguments}, str impl) -> Tensor', self._forward, lambda *args: self.fake(*args[:-1])
        )
        forward.register_autograd(differentiate, setup_context=setup)
        return forward

    def _backward(self, grad: Tensor, kernels: Tensor, dtype: torch.dtype, kernel_size: int, impl: str) -> Tensor:
        """Gradient of logits that had `dtype`."""
        if len(kernels) == 0:
            return empty_map(kernels, kernels.shape, dtype)
        logits = kernels.new_empty(1, dtype=dtype).expand(kernels.shape)  # their dtype and shape, without memory
        result = self.pick(impl, logits, kernel_size, None).backward(grad, kernels, dtype, kernel_size)
        return result.contiguous(memory_format=layout(kernels))


def _fake(logits: Tensor, kernel_size: int, window: Tensor | None) -> Tensor:
    return empty_map(logits, logits.shape, torch.promote_types(logits.dtype, torch.float32))


_normalize_kernels = _FromResult(
    'normalize_kernels',
    'Tensor logits, SymInt kernel_size, Tensor? window',
    definition=reference.normalize_kernels,
    fake=_fake,
    implementations={'triton': Kernels('kernels.triton_normalize_kernels'), 'softmax': softmax},
    maps=1,
)
