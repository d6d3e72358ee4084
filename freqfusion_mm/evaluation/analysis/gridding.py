"""Gridding, measured: how much of a dilated block's receptive field sits on the lattice of its largest dilation.

A kernel of dilation d reads every d-th pixel only, so the spectrum of what it reads repeats with period 1/d: its peak
at frequency zero comes back undiminished at every multiple of 1/d. Whatever fills the holes lowers those copies.
"""

import csv
from pathlib import Path

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
        block: with branches of stride 1: every ESP, whose stride is before them, and EESP of stride 1.
        chain: the hierarchical fusion to measure with the block's weights; None: the block's own.

    Returns:
        For each branch [S, S] on the CPU, S odd and large enough for the largest dilation.

    Raises:
        ValueError: branches with stride.

    Example:
        >>> [int((energy > 0).sum()) for energy in receptive_energy(ESP(20, 20), chain='none')]
        [9, 9, 9, 9, 9]
        >>> [int((energy > 0).sum()) for energy in receptive_energy(ESP(20, 20), chain='all')]
        [9, 17, 25, 33, 41]
    """
    first = block.branches[0]
    if first.stride != (1, 1):
        raise ValueError(
            f'the branches must have stride 1 (with stride the response depends on the pixel), got {first.stride}'
        )
    width = first.in_channels
    radius = max(branch.dilation[0] for branch in block.branches)
    impulses = torch.zeros(width, width, 2 * radius + 1, 2 * radius + 1).to(first.weight)
    impulses[range(width), range(width), radius, radius] = 1
    fused = hierarchical_fusion([branch(impulses) for branch in block.branches], chain or block.fusion.chain)
    return [response.square().sum(dim=(0, 1)).cpu() for response in fused]


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


Blocks = list[ESP] | list[EESP]


def random_blocks(channels: int, seeds: int) -> dict[str, Blocks]:
    """An ESP and an EESP block for each seed, their weights random.

    Raises:
        ValueError: channels that are no multiple of 80; no seed.
    """
    if channels < 80 or channels % 80 or seeds < 1:
        raise ValueError(
            f'--channels wants a multiple of 80 (ESP divides by 5, EESP by 16) and --seeds 1 or more, got '
            f'{channels} and {seeds}'
        )
    torch.manual_seed(0)
    return {
        'ESP': [ESP(channels, channels) for _ in range(seeds)],
        'EESP': [EESP(channels, channels, receptive_limit=9) for _ in range(seeds)],
    }


def blocks_of(model: torch.nn.Module) -> dict[str, Blocks]:
    """The blocks with branches of stride 1 in a model's backbone, grouped by their dilations.

    Raises:
        ValueError: it has none.
    """
    groups: dict[str, Blocks] = {}
    for module in model.backbone.modules():
        if isinstance(module, (ESP, EESP)) and module.branches[0].stride == (1, 1):
            label = f'{type(module).__name__} {"-".join(str(branch.dilation[0]) for branch in module.branches)}'
            groups.setdefault(label, []).append(module)
    if not groups:
        raise ValueError(f'the backbone {type(model.backbone).__name__} has no ESP or EESP block')
    return groups


Measured = dict[str, list[tuple[int, Tensor, float]]]  # kind of block and chain -> dilation, field, gridding by branch


def measure_gridding(blocks: Blocks, chain: str) -> list[tuple[int, Tensor, float]]:
    """For each branch its dilation, mean receptive field (of energy 1 a block) and mean gridding."""
    fields = [receptive_energy(block, chain) for block in blocks]
    rows = []
    for branch, dilation in enumerate(each.dilation[0] for each in blocks[0].branches):
        energies = [field[branch] / field[branch].sum() for field in fields]
        numbers = [gridding(energy, dilation) for energy in energies]
        rows.append((dilation, torch.stack(energies).mean(0), sum(numbers) / len(numbers)))
    return rows


def measure_with_and_without(groups: dict[str, Blocks]) -> Measured:
    """`measure_gridding` of each group with no fusion, with its own, and with all branches fused where they can be."""
    results = {}
    for label, blocks in groups.items():
        for chain in ('none', *dict.fromkeys((blocks[0].fusion.chain, 'all'))):
            if chain == 'all' and len({branch.out_channels for branch in blocks[0].branches}) > 1:
                continue  # branches of different widths cannot all be added
            results[f'{label}, chain {chain}'] = measure_gridding(blocks, chain)
    return results


def write_csv(measured: Measured, out: Path) -> None:
    """One line for each branch of each kind of block; its folder is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, 'w', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['blocks', 'dilation', 'gridding'])
        for label, rows in measured.items():
            table.writerows([label, dilation, f'{number:.6f}'] for dilation, _, number in rows)
