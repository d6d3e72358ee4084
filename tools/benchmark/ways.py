"""The ways to compute an entry: ours, the unfold formulation, mmcv's op, plain CUDA, and ours under `torch.compile`."""

from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor

from . import plain_cuda, unfold_formulation

WAYS = ('ours', 'unfold', 'mmcv', 'plain cuda', 'compiled')


def why_not(way: str, device: torch.device) -> str | None:
    """Why a way cannot be measured on a device, or None."""
    if way == 'plain cuda':
        return _no_plain_cuda()
    if way != 'mmcv':
        return None
    if device.type != 'cuda':
        return "mmcv's carafe is compiled for CUDA alone"
    try:
        from mmcv.ops import carafe  # noqa: F401
    except (ImportError, OSError) as error:
        return f"mmcv's compiled ops do not load: {error}"
    return None


@cache
def _no_plain_cuda() -> str | None:
    try:
        plain_cuda.compiled()
    except Exception as error:  # compilers and linkers fail in many ways, after a minute, which one try is worth
        return f'no CUDA of our own: {error}'.splitlines()[0]
    return None


def mmcv_carafe(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    from mmcv.ops import carafe

    if padding != 'zeros':
        raise ValueError(f"mmcv's op knows padding='zeros' alone, got {padding!r}")
    return carafe(features, masks, kernel_size, groups, masks.shape[-1] // features.shape[-1])


#: way -> the functions in the place of the package's operators, for `ops.implementation`.
FUNCTIONS: dict[str, Mapping[str, Callable]] = {
    'ours': {},
    'compiled': {},
    'unfold': unfold_formulation.OPS,
    'mmcv': dict(carafe=mmcv_carafe),
    'plain cuda': dict(carafe=plain_cuda.carafe),
}
