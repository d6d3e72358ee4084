"""Inner products of every fine pixel with the coarse pixels of its window: local attention before the softmax."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..dispatch import Implementation, Operator
from ..library import empty_map
from ..triton import Kernels
from . import exported, matmul, reference, shifted
from .border import PADDINGS
from .carafe import preferred


def window_similarity(
    query: Tensor, key: Tensor, kernel_size: int, padding: str = 'zeros', impl: str = 'auto'
) -> Tensor:
    """`out[t, Y, X] = sum_c query[c, Y, X] * key[c, window_t(Y, X)]`, at the cost of the gradient of a reassembly.

    It is that gradient: `carafe` sums features by weights, and the derivative in a weight is the product of a feature
    and the output's gradient. So nothing is unfolded, and its own gradients are a reassembly (query) and the gradient
    of one (key).

    Convention:
        Windows as in `carafe`: fine pixel Y reads the k x k pixels around coarse pixel `floor(Y*h/H)`, row by row; with
        `padding='zeros'` a pixel outside the map gives 0. What is not finite may spoil its neighbours' windows.

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
    if padding not in PADDINGS:
        raise ValueError(f'padding must be one of {PADDINGS}, got {padding!r}')
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f'kernel_size must be odd and positive (the window is centred), got {kernel_size}')
    sizes = query.shape[1:] + key.shape[1:]
    if query.dim() != 4 or key.dim() != 4 or query.shape[:2] != key.shape[:2] or 0 in sizes:
        raise ValueError(
            'query and key must be non-empty maps [N, C, H, W] and [N, C, h, w], '
            f'got shapes {tuple(query.shape)} and {tuple(key.shape)}'
        )
    if query.dtype != key.dtype or query.device != key.device or not query.is_floating_point():
        raise TypeError(
            f'query and key must share a floating dtype and a device, got {query.dtype} on {query.device} '
            f'and {key.dtype} on {key.device}'
        )
    return _window_similarity(query, key, kernel_size, padding, impl=impl)


class Correlated:
    """By a way of `carafe`: the scores are the gradient of its masks."""

    def __init__(self, way: Implementation) -> None:
        self.way = way

    def why_not(self, query: Tensor, key: Tensor, kernel_size: int, padding: str) -> str | None:
        return self.way.why_not(key, query, kernel_size, 1, padding)

    def forward(self, query: Tensor, key: Tensor, kernel_size: int, padding: str) -> Tensor:
        masks = _fake(query, key, kernel_size, padding)  # no gradient of a product depends on its own factor
        return self.way.backward(query, key, masks, kernel_size, 1, padding, needs=(False, True))[1]

    def backward(
        self, grad: Tensor, query: Tensor, key: Tensor, kernel_size: int, padding: str, *, needs: Sequence[bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        grad_query = grad_key = None
        if needs[0]:
            grad_query = self.way.forward(key, grad, kernel_size, 1, padding)
        if needs[1]:
            grad_key, _ = self.way.backward(query, key, grad, kernel_size, 1, padding, needs=(True, False))
        return grad_query, grad_key


def _fake(query: Tensor, key: Tensor, kernel_size: int, padding: str) -> Tensor:
    shape = query.shape[0], kernel_size**2, *query.shape[-2:]
    return empty_map(query, shape, torch.promote_types(query.dtype, torch.float32))


_window_similarity = Operator(
    'window_similarity',
    'Tensor query, Tensor key, SymInt kernel_size, str padding',
    definition=reference.window_similarity,
    fake=_fake,
    implementations={
        'triton': Correlated(Kernels('reassembly.triton_reassembly')),
        'matmul': Correlated(matmul),
        'shifted': Correlated(shifted),
    },
    prefer=lambda query, key, *options: preferred(key, query),
    exported=exported.window_similarity,
)
