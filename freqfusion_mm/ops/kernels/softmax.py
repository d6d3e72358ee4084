"""Normalisation of kernels by torch's own softmax, whose gradient needs the result alone."""

import torch
from torch import Tensor

from .reference import normalize_kernels as forward

__all__ = ['backward', 'forward', 'why_not']


def why_not(*args) -> None:
    """It runs everywhere."""


def backward(grad: Tensor, kernels: Tensor, dtype: torch.dtype, kernel_size: int) -> Tensor:
    """Gradient of logits that had `dtype`; `kernels` is the result, `grad` its gradient. Differentiable in both."""
    n, channels, height, width = kernels.shape
    taps = kernel_size**2
    kernels, grad = (tensor.reshape(n, channels // taps, taps, height, width) for tensor in (kernels, grad))
    return torch.ops.aten._softmax_backward_data(grad, kernels, 2, kernels.dtype).flatten(1, 2).to(dtype)
