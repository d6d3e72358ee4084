"""Inner products of every fine pixel with the coarse pixels of its window: local attention before the softmax."""

import torch
from torch import Tensor

from ..library import empty_map, layout, register, triton_kernels
from .carafe import IMPLS, eager_way
from .reference import PADDINGS, correlate_reference


def window_similarity(
    query: Tensor, key: Tensor, kernel_size: int, padding: str = 'zeros', impl: str = 'auto'
) -> Tensor:
    """`out[t, Y, X] = sum_c query[c, Y, X] * key[c, window_t(Y, X)]`, at the cost of the gradient of a reassembly.

    It is that gradient: `carafe` sums features by weights, and the derivative in a weight is the product of a feature
    and the output's gradient. So nothing is unfolded, and its own gradients are a reassembly (query) and the gradient
    of one (key).

    Convention:
        Windows as in `carafe`: fine pixel Y reads the k x k pixels around coarse pixel `floor(Y*h/H)`, row by row; with
        `padding='zeros'` a pixel outside the map gives 0.

    Args:
        query: [N, C, H, W], the fine map.
        key: [N, C, h, w], the coarse map, of the same dtype.
        kernel_size: k, odd.
        padding: 'zeros', 'reflect' or 'replicate', as in `carafe`.
        impl: the way to compute it, as in `carafe`.

    Returns:
        [N, k*k, H, W], at least float32. Differentiable any number of times.

    Example:
        >>> window_similarity(torch.ones(1, 4, 6, 6), torch.ones(1, 4, 3, 3), kernel_size=3)[0, :, 0, 0].tolist()
        [0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 0.0, 4.0, 4.0]
    """
    if padding not in PADDINGS or impl not in IMPLS:
        raise ValueError(f'padding must be one of {PADDINGS} and impl one of {IMPLS}, got {padding!r} and {impl!r}')
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f'kernel_size must be odd and positive (the window is centred), got {kernel_size}')
    if query.dim() != 4 or key.dim() != 4 or query.shape[:2] != key.shape[:2] or 0 in (*query.shape, *key.shape):
        raise ValueError(
            'query and key must be non-empty maps [N, C, H, W] and [N, C, h, w], '
            f'got shapes {tuple(query.shape)} and {tuple(key.shape)}'
        )
    if query.dtype != key.dtype or query.device != key.device or not query.is_floating_point():
        raise TypeError(
            f'query and key must share a floating dtype and a device, got {query.dtype} on {query.device} '
            f'and {key.dtype} on {key.device}'
        )
    if impl == 'reference' or torch.onnx.is_in_onnx_export():
        return _definition(query, key, kernel_size, padding, impl)
    return _window_similarity(query, key, kernel_size, padding, impl)


def _definition(query: Tensor, key: Tensor, kernel_size: int, padding: str, impl: str) -> Tensor:
    dtype = torch.promote_types(query.dtype, torch.float32)
    return correlate_reference(query.to(dtype), key.to(dtype), kernel_size, padding)


def _forward(query: Tensor, key: Tensor, kernel_size: int, padding: str, impl: str) -> Tensor:
    scores = _fake(query, key, kernel_size, padding, impl)
    kernels = triton_kernels('reassembly.triton_reassembly', impl, key, scores, kernel_size, 1, padding)
    if kernels is not None:
        return kernels.grad_masks(query, key, scores, kernel_size, 1, padding)
    way = eager_way(key, scores, impl)
    _, scores = way.backward(query, key, torch.zeros_like(scores), kernel_size, 1, padding, False, True)
    return scores.contiguous(memory_format=layout(query))


def _backward(
    grad: Tensor, query: Tensor, key: Tensor, kernel_size: int, padding: str, impl: str, needs: list[bool]
) -> list[Tensor]:
    grads = []
    kernels = triton_kernels('reassembly.triton_reassembly', impl, key, grad, kernel_size, 1, padding)
    way = eager_way(key, grad, impl)
    if needs[0]:
        grads.append((kernels or way).forward(key, grad, kernel_size, 1, padding))
    if needs[1]:
        if kernels is not None:
            grads.append(kernels.grad_features(query, key, grad, kernel_size, 1, padding))
        else:
            grads.append(way.backward(query, key, grad, kernel_size, 1, padding, True, False)[0])
    likes = [tensor for tensor, need in zip((query, key), needs) if need]
    return [result.contiguous(memory_format=layout(like)) for result, like in zip(grads, likes)]


def _fake(query: Tensor, key: Tensor, kernel_size: int, padding: str, impl: str) -> Tensor:
    shape = query.shape[0], kernel_size**2, *query.shape[-2:]
    return empty_map(query, shape, torch.promote_types(query.dtype, torch.float32))


_window_similarity = register('window_similarity', _forward, _backward, _definition, _fake)
