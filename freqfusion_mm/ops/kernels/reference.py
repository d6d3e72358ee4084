"""What the normalisation of kernels means: see `normalize_kernels`."""

import torch
from torch import Tensor


def normalize_kernels(logits: Tensor, kernel_size: int, window: Tensor | None) -> Tensor:
    """Softmax of `logits + log(window)`."""
    taps = kernel_size**2
    dtype = torch.promote_types(logits.dtype, torch.float32)
    n, channels, height, width = logits.shape
    kernels = logits.to(dtype).reshape(n, channels // taps, taps, height, width)  # ONNX: unflatten would fix the sizes
    if window is not None:
        kernels = kernels + window.to(dtype).log().view(taps, 1, 1)
    return kernels.softmax(dim=2).flatten(1, 2)
