"""The ways to compute an entry: ours, the unfold formulation, mmcv's op, and ours under `torch.compile`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from freqfusion_mm.layers.upsamplers import (
    a2u,
    carafe,
    fade,
    freqfusion,
    guided_filter,
    offset_generator,
    paired_difference,
    resfu,
    sapa,
)

from . import unfold_formulation

#: The layers that call ops.
MODULES = a2u, carafe, fade, freqfusion, guided_filter, offset_generator, paired_difference, resfu, sapa
WAYS = ('ours', 'unfold', 'mmcv', 'compiled')


def why_not(way: str, device: torch.device) -> str | None:
    """Why a way cannot be measured on a device, or None."""
    if way != 'mmcv':
        return None
    if device.type != 'cuda':
        return "mmcv's carafe is compiled for CUDA alone"
    try:
        from mmcv.ops import carafe  # noqa: F401
    except (ImportError, OSError) as error:
        return f"mmcv's compiled ops do not load: {error}"
    return None


def mmcv_carafe(
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    groups: int = 1,
    scale_factor: int | None = None,
    padding: str = 'zeros',
) -> Tensor:
    from mmcv.ops import carafe

    if padding != 'zeros':
        raise ValueError(f"mmcv's op knows padding='zeros' alone, got {padding!r}")
    return carafe(features, masks, kernel_size, groups, masks.shape[-1] // features.shape[-1])


def ops_of(way: str) -> dict[str, Callable]:
    """The functions that take the place of the package's, by name."""
    return {'ours': {}, 'compiled': {}, 'unfold': unfold_formulation.OPS, 'mmcv': dict(carafe=mmcv_carafe)}[way]


@contextmanager
def layers_use(way: str) -> Iterator[None]:
    """While it is open, the layers of the package call the ops of a way."""
    replaced = []
    try:
        for module in MODULES:
            for name, op in ops_of(way).items():
                if hasattr(module, name):
                    replaced.append(patch.object(module, name, op))
                    replaced[-1].start()
        yield
    finally:
        for change in reversed(replaced):
            change.stop()
