"""Torch's own CPU kernels where `torch.compile` would write others in their place, which are slower."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .library import CAN_REGISTER, autocasting, compiling, empty_map, layout, register


def _keep(features: Tensor) -> bool:
    if not (CAN_REGISTER and compiling() and features.device.type == 'cpu'):
        return False
    return not (autocasting(features) or torch.onnx.is_in_onnx_export())  # both know torch's own operators alone


def grid_sample(features: Tensor, grid: Tensor) -> Tensor:
    """`F.grid_sample` of G groups of the channels, bilinear, `padding_mode='border'`, `align_corners=False`.

    Args:
        features: [N, C, h, w], G dividing C.
        grid: [N, G, H, W, 2], the places that each group reads, as in torch.

    Returns:
        [N, C, H, W].
    """
    return _grid_sample(features, grid) if _keep(features) else _sample(features, grid)


def resize_bilinear(features: Tensor, size: tuple[int, int]) -> Tensor:
    """`F.interpolate`, bilinear, `align_corners=False`."""
    return _resize_bilinear(features, *size) if _keep(features) else _resize(features, *size)


def conv2d(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """`F.conv2d`. Around a convolution that it sees, inductor copies the maps of a whole graph to channels last, those
    of our operators too, and back again.
    """
    convolve = _conv2d if _keep(features) else F.conv2d
    return convolve(features, weight, bias, stride, padding, dilation, groups)


def _sample(features: Tensor, grid: Tensor) -> Tensor:
    (n, c, h, w), groups = features.shape, grid.shape[1]
    grouped = features.reshape(n * groups, c // groups, h, w)
    moved = F.grid_sample(grouped, grid.flatten(0, 1), mode='bilinear', padding_mode='border', align_corners=False)
    return moved.reshape(n, c, *moved.shape[-2:])


def _sample_forward(features: Tensor, grid: Tensor) -> Tensor:
    return _sample(features, grid).contiguous(memory_format=layout(features))


def _sample_backward(grad: Tensor, features: Tensor, grid: Tensor, needs: list[bool]) -> list[Tensor]:
    groups = grid.shape[1]
    grad, grouped = (tensor.reshape(-1, tensor.shape[1] // groups, *tensor.shape[2:]) for tensor in (grad, features))
    # 0, 1: the numbers of 'bilinear' and 'border'
    grads = torch.ops.aten.grid_sampler_2d_backward(grad, grouped, grid.flatten(0, 1), 0, 1, False, needs)
    return [
        result.reshape(like.shape).contiguous(memory_format=layout(like))
        for result, like, need in zip(grads, (features, grid), needs)
        if need
    ]


def _sample_fake(features: Tensor, grid: Tensor) -> Tensor:
    return empty_map(features, (*features.shape[:2], *grid.shape[2:4]))


_grid_sample = register('grid_sample', _sample_forward, _sample_backward, _sample, _sample_fake)


def _resize(features: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(features, (height, width), mode='bilinear', align_corners=False)


def _resize_forward(features: Tensor, height: int, width: int) -> Tensor:
    return _resize(features, height, width).contiguous(memory_format=layout(features))


def _resize_backward(grad: Tensor, features: Tensor, height: int, width: int, needs: list[bool]) -> list[Tensor]:
    grad = torch.ops.aten.upsample_bilinear2d_backward(grad, (height, width), features.shape, False)
    return [grad.contiguous(memory_format=layout(features))]


def _resize_fake(features: Tensor, height: int, width: int) -> Tensor:
    return empty_map(features, (*features.shape[:2], height, width))


_resize_bilinear = register('resize_bilinear', _resize_forward, _resize_backward, _resize, _resize_fake, maps=1)


def _conv_forward(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    out = F.conv2d(features, weight, bias, stride, padding, dilation, groups)
    return out.contiguous(memory_format=layout(features))


def _conv_backward(
    grad: Tensor,
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    needs: list[bool],
) -> list[Tensor]:
    grads = torch.ops.aten.convolution_backward(
        grad, features, weight, weight.shape[:1], stride, padding, dilation, False, [0, 0], groups, needs
    )
    return [
        result.contiguous(memory_format=layout(like))
        for result, like, need in zip(grads, (features, weight, bias), needs)
        if need
    ]


def _conv_fake(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    size = (
        (size + 2 * pad - step * (kernel - 1) - 1) // move + 1
        for size, kernel, move, pad, step in zip(features.shape[2:], weight.shape[2:], stride, padding, dilation)
    )
    return empty_map(features, (features.shape[0], weight.shape[0], *size))


_conv2d = register('conv2d', _conv_forward, _conv_backward, F.conv2d, _conv_fake, maps=3)
