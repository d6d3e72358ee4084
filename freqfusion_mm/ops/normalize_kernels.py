"""Turns predicted logits into reassembly kernels that sum to one."""

import torch
from torch import Tensor


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
        Kernels of the shape of `logits`, at least float32 whatever the dtype of the logits.

    Example:
        >>> kernels = normalize_kernels(torch.randn(1, 18, 4, 4), kernel_size=3)
        >>> torch.allclose(kernels.view(1, 2, 9, 4, 4).sum(dim=2), torch.ones(1, 2, 4, 4))
        True
    """
    taps = kernel_size**2
    if logits.dim() != 4 or logits.shape[1] % taps:
        raise ValueError(f'logits must be [N, G * {taps}, H, W] for kernel_size={kernel_size}, '
                         f'got shape {tuple(logits.shape)}')
    dtype = torch.promote_types(logits.dtype, torch.float32)
    kernels = logits.to(dtype).unflatten(1, (-1, taps))
    if window is not None:
        kernels = kernels + window.to(dtype).log().view(taps, 1, 1)
    return kernels.softmax(dim=2).flatten(1, 2)


def hamming_window(kernel_size: int) -> Tensor:
    """Outer product of two symmetric Hamming windows, [k, k] float32: `0.54 - 0.46 cos(2 pi n / (k-1))`."""
    window = torch.hamming_window(kernel_size, periodic=False, dtype=torch.float64)
    return torch.outer(window, window).float()
