"""Gridding, measured: how much of a dilated block's receptive field sits on the lattice of its largest dilation.

A kernel of dilation d reads every d-th pixel only, so the spectrum of what it reads repeats with period 1/d: its peak
at frequency zero comes back undiminished at every multiple of 1/d. Whatever fills the holes lowers those copies.
"""

import torch
from torch import Tensor

from ...layers.hierarchical.eesp import EESP
from ...layers.hierarchical.esp import ESP
from ...layers.hierarchical.hierarchical_fusion import hierarchical_fusion


@torch.no_grad()
def receptive_energy(block: ESP | EESP, chain: str | None = None) -> list[Tensor]:
    """What each branch's output reads: the squared impulse response, summed over channels.

    Convention:
        The response of the dilated convolutions and their hierarchical fusion, from the reduced map to the
        concatenation; what is before and after them works pixel by pixel. The impulse is in the middle of the square.

    Args:
        block: of stride 1.
        chain: the hierarchical fusion to measure with the block's weights; None: the block's own.

    Returns:
        For each branch [S, S], S odd and large enough for the largest dilation.

    Raises:
        ValueError: a block with stride.

    Example:
        >>> [int((energy > 0).sum()) for energy in receptive_energy(ESP(20, 20), chain='none')]
        [9, 9, 9, 9, 9]
        >>> [int((energy > 0).sum()) for energy in receptive_energy(ESP(20, 20), chain='all')]
        [9, 17, 25, 33, 41]
    """
    first = block.branches[0]
    if first.stride != (1, 1):
        raise ValueError(
            f'the block must have stride 1 (with stride the response depends on the pixel), got {first.stride}'
        )
    width = first.in_channels
    radius = max(branch.dilation[0] for branch in block.branches)
    impulses = torch.zeros(width, width, 2 * radius + 1, 2 * radius + 1).to(first.weight)
    impulses[range(width), range(width), radius, radius] = 1
    fused = hierarchical_fusion([branch(impulses) for branch in block.branches], chain or block.fusion.chain)
    return [response.square().sum(dim=(0, 1)) for response in fused]


def gridding(energy: Tensor, dilation: int) -> float:
    """Mean power of a receptive field at the lattice frequencies of a dilation, relative to frequency zero.

    Args:
        energy: [S, S], non-negative.
        dilation: of the branch; the frequencies are the multiples of 1/dilation, zero apart.

    Returns:
        1 for a field on the lattice alone; 0 for one that covers it evenly, and for dilation 1.

    Example:
        >>> lattice = torch.zeros(9, 9)
        >>> lattice[::4, ::4] = 1
        >>> round(gridding(lattice, 4), 6), round(gridding(torch.ones(8, 8), 4), 6)
        (1.0, 0.0)
    """
    if dilation < 2:
        return 0.0
    phases = torch.arange(energy.shape[-1]).to(energy) % dilation
    waves = torch.exp(-2j * torch.pi * torch.outer(torch.arange(dilation).to(energy), phases) / dilation)
    power = (waves @ energy.to(waves.dtype) @ waves.T).abs().square()  # [dilation, dilation]
    return float((power.sum() - power[0, 0]) / power[0, 0] / (dilation**2 - 1))
