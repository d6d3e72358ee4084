"""Group normalisation and the 1x1 convolution after it, at the memory of one of them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .library import autocasting, empty_map, layout, register


def group_norm_conv(
    features: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    groups: int,
    eps: float = 1e-5,
) -> Tensor:
    """`F.conv2d(F.group_norm(features, groups, norm_weight, norm_bias, eps), weight, bias)` with `features` alone kept
    for the backward pass.

    The convolution would keep the normalised map as well, as wide as `features`; the backward pass makes it again. On a
    CPU that takes a half more time than the two alone, and none that shows in a whole ReSFU, where it saves a quarter
    of the memory. Autocast and tracers get the two operators.

    Args:
        features: [N, C, H, W], any float dtype.
        norm_weight, norm_bias: [C].
        weight, bias: [C', C, 1, 1] and [C'].
        groups, eps: of the norm.

    Returns:
        [N, C', H, W]. Differentiable twice.

    Example:
        >>> group_norm_conv(torch.rand(1, 8, 5, 7), torch.ones(8), torch.zeros(8), torch.rand(3, 8, 1, 1),
        ...                 torch.zeros(3), groups=4).shape
        torch.Size([1, 3, 5, 7])
    """
    if autocasting(features) or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export():
        return _definition(features, norm_weight, norm_bias, weight, bias, groups, eps)
    return _group_norm_conv(features, norm_weight, norm_bias, weight, bias, groups, eps)


def _definition(
    features: Tensor, norm_weight: Tensor, norm_bias: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> Tensor:
    return F.conv2d(F.group_norm(features, groups, norm_weight, norm_bias, eps), weight, bias)


def _forward(
    features: Tensor, norm_weight: Tensor, norm_bias: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> Tensor:
    out = _definition(features, norm_weight, norm_bias, weight, bias, groups, eps)
    return out.contiguous(memory_format=layout(features))


def _backward(
    grad: Tensor,
    features: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    weight: Tensor,
    bias: Tensor,
    groups: int,
    eps: float,
    needs: list[bool],
) -> list[Tensor]:
    aten, (n, c, h, w) = torch.ops.aten, features.shape
    size, memory_format = (n, c, h * w, groups), layout(features)
    features = features.contiguous(memory_format=memory_format)
    normed, mean, rstd = aten.native_group_norm(features, norm_weight, norm_bias, *size, eps)
    grad_normed, *grads_conv = aten.convolution_backward(
        grad, normed, weight, bias.shape, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [any(needs[:3]), *needs[3:]]
    )
    grads = [None] * 3
    if any(needs[:3]):
        grad_normed = grad_normed.contiguous(memory_format=memory_format)  # the kernel takes it for that of `features`
        grads = aten.native_group_norm_backward(grad_normed, features, mean, rstd, norm_weight, *size, needs[:3])
    likes = features, norm_weight, norm_bias, weight, bias
    return [
        result.contiguous(memory_format=layout(like))
        for result, like, need in zip((*grads, *grads_conv), likes, needs)
        if need
    ]


def _fake(
    features: Tensor, norm_weight: Tensor, norm_bias: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> Tensor:
    return empty_map(features, (features.shape[0], weight.shape[0], *features.shape[2:]))


_group_norm_conv = register('group_norm_conv', _forward, _backward, _definition, _fake, maps=5)
