"""Torch's own CPU kernels where `torch.compile` would write others in their place, which are slower."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .library import CAN_REGISTER, autocasting, compiling, empty_map, layout, register


def _keep(features: Tensor) -> bool:
    if not (CAN_REGISTER and compiling() and features.device.type == 'cpu'):
        return False
    return not (autocasting(features) or torch.onnx.is_in_onnx_export())  # both know torch's own operators alone


def grid_sample(features: Tensor, grid: Tensor) -> Tensor:
    """`F.grid_sample`, bilinear, `padding_mode='border'`, `align_corners=False`."""
    return _grid_sample(features, grid) if _keep(features) else _sample(features, grid)


def resize_bilinear(features: Tensor, size: tuple[int, int]) -> Tensor:
    """`F.interpolate`, bilinear, `align_corners=False`."""
    return _resize_bilinear(features, *size) if _keep(features) else _resize(features, *size)


def _sample(features: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(features, grid, mode='bilinear', padding_mode='border', align_corners=False)


def _sample_forward(features: Tensor, grid: Tensor) -> Tensor:
    return _sample(features, grid).contiguous(memory_format=layout(features))


def _sample_backward(grad: Tensor, features: Tensor, grid: Tensor, needs: list[bool]) -> list[Tensor]:
    # 0, 1: the numbers of 'bilinear' and 'border'
    grads = torch.ops.aten.grid_sampler_2d_backward(grad, features, grid, 0, 1, False, needs)
    return [result.contiguous(memory_format=layout(like))
            for result, like, need in zip(grads, (features, grid), needs) if need]


def _sample_fake(features: Tensor, grid: Tensor) -> Tensor:
    return empty_map(features, (*features.shape[:2], *grid.shape[1:3]))


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
