"""What a module takes at a size, and how it is called."""

from typing import Any, NamedTuple

import torch
from mmengine.structures import InstanceData

BN = dict(type='BN')
LEVELS = [8, 16, 24, 32]
#: HRNet's four stages, a unit each but for the third.
HRNET = {
    f'stage{stage}': dict(
        num_modules=2 if stage == 3 else 1,
        num_branches=stage,
        block='BASIC' if stage > 1 else 'BOTTLENECK',
        num_blocks=(1,) * stage,
        num_channels=(4, 8, 8, 8)[:stage],
    )
    for stage in (1, 2, 3, 4)
}


class Args(tuple):
    """Several arguments of a module."""


def call(module, inputs):
    """The outputs of a module of what `Small.inputs` makes, flat."""
    return flat(module(*inputs) if isinstance(inputs, Args) else module(inputs))


def flat(outs):
    if isinstance(outs, torch.Tensor):
        return [outs]
    parts = outs.values() if isinstance(outs, dict) else outs
    return [out for part in parts or () for out in flat(part)]


def pyramid(channels, size):
    """Maps, fine to coarse, of half the size each, rounded up; an even size has 8 as a factor."""
    return [torch.randn(2, width, -(-size // 2**i), -(-(size + 8) // 2**i)) for i, width in enumerate(channels)]


def image(size):
    return torch.randn(2, 3, size, size + 32)


def clip(size):
    """An image with three maps of CLIP's, each with its class token, coarser than the tokens; the classes' names."""
    coarse = [(torch.randn(2, 12, -(-size // 2), size // 2), torch.randn(2, 12)) for _ in range(3)]
    return Args([(torch.randn(2, 3, 16 * size, 16 * size), coarse, torch.randn(4, 8)), []])


def tokens(size):
    """Four maps of a plain transformer with their class tokens."""
    return [(torch.randn(2, 8, size, size), torch.randn(2, 8)) for _ in range(4)]


def levels(count):
    """The maps of a pyramid neck."""
    return lambda size: pyramid([8] * count, size)


def prototypes(size):
    """A map, and three instances' coefficients in each image."""
    return Args([pyramid([8], size), [InstanceData(coeffs=torch.randn(3, 4)) for _ in range(2)]])


def regions(size):
    return torch.randn(5, 8, 7, 7)


def regions_and(other):
    return lambda size: Args([regions(size), torch.randn(*other)])


def with_image(size):
    """An image before a pyramid of a quarter of its size."""
    return [torch.randn(2, 3, 4 * size, 4 * (size + 8)), *pyramid([16, 32, 64, 128], size)]


def with_logits(size):
    return Args([pyramid(LEVELS, size), torch.randn(2, 3, size, size + 8)])


class Small(NamedTuple):
    """A stock class, its arguments, its interpolation, what it takes at a size, an even and an odd size."""

    stock: type | None  # None where the installed framework lacks it
    options: dict[str, Any]
    interpolation: str
    inputs: Any
    even: int = 16
    odd: int = 27
