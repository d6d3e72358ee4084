#!/usr/bin/env python
"""Shows and measures gridding with and without hierarchical feature fusion: python tools/gridding.py --out PLOT.png

Without --model: one ESP and one EESP block of random weights (mean over --seeds). With --model and --weights: every
block of stride 1 in the backbone (mean over the blocks), with its fusion and, by the same weights, without.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from freqfusion_mm.apis.launch import plain_errors
from freqfusion_mm.evaluation.analysis.gridding import gridding, receptive_energy
from freqfusion_mm.layers import EESP, ESP

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (after the backend is chosen)

Blocks = list[ESP] | list[EESP]


def parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', required=True, help='the picture to write')
    parser.add_argument('--channels', type=int, default=80, help='of the random blocks; a multiple of 80')
    parser.add_argument('--seeds', type=int, default=20, help='random blocks to average')
    parser.add_argument('--model', help='a config with an ESPNet or ESPNetV2 backbone, or the name of one of ours')
    parser.add_argument('--weights', help="its checkpoint, or the author's file")
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')
    return parser


def random_blocks(channels: int, seeds: int) -> dict[str, Blocks]:
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


def trained_blocks(config: str, weights: str) -> dict[str, Blocks]:
    """The blocks of a backbone, grouped by their dilations."""
    from mmengine.registry import MODELS, init_default_scope

    from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
    from freqfusion_mm.apis.launch import load_config
    from freqfusion_mm.apis.reference_checkpoint import with_our_paths

    cfg = load_config(Namespace(config=config, launcher='none', local_rank=0, cfg_options=None, work_dir=None))
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)
    checkpoint = read_checkpoint(weights)
    load_strictly(model, dict(state_dict=with_our_paths(checkpoint.get('state_dict', checkpoint))), weights)
    groups: dict[str, Blocks] = {}
    for module in model.backbone.modules():
        if isinstance(module, (ESP, EESP)) and module.branches[0].stride == (1, 1):
            label = f'{type(module).__name__} {"-".join(str(branch.dilation[0]) for branch in module.branches)}'
            groups.setdefault(label, []).append(module)
    if not groups:
        raise ValueError(f'the backbone of {config} has no ESP or EESP block')
    return groups


def measure(blocks: Blocks, chain: str) -> list[tuple[int, Tensor, float]]:
    """For each branch its dilation, mean receptive field (of energy 1 a block) and mean gridding."""
    fields = [receptive_energy(block, chain) for block in blocks]
    dilations = [branch.dilation[0] for branch in blocks[0].branches]
    rows = []
    for branch, dilation in enumerate(dilations):
        energies = [field[branch] / field[branch].sum() for field in fields]
        numbers = [gridding(energy, dilation) for energy in energies]
        rows.append((dilation, torch.stack(energies).mean(0), sum(numbers) / len(numbers)))
    return rows


def draw(results: dict[str, list[tuple[int, Tensor, float]]], out: str) -> None:
    columns = max(len(rows) for rows in results.values())
    figure, axes = pyplot.subplots(
        len(results), columns, figsize=(2.1 * columns, 2.4 * len(results)), squeeze=False, layout='constrained'
    )
    for line, (label, rows) in zip(axes, results.items()):
        for cell in line:
            cell.axis('off')
        for cell, (dilation, energy, number) in zip(line, rows):
            cell.axis('on')
            cell.set(xticks=[], yticks=[])
            cell.imshow((energy / energy.max()).clamp(min=1e-4).log10(), cmap='magma', interpolation='nearest')
            cell.set_title(f'dilation {dilation}: {number:.3f}', fontsize=9)
        line[0].set_ylabel(label, fontsize=9)
    figure.suptitle('What each branch reads (log of the squared impulse response), and its gridding', fontsize=10)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)
    pyplot.close(figure)


def main() -> None:
    args = parser().parse_args()
    with plain_errors(args.traceback, while_building=True):
        if (args.model is None) != (args.weights is None):
            raise ValueError('--model and --weights go together')
        groups = trained_blocks(args.model, args.weights) if args.model else random_blocks(args.channels, args.seeds)
        results = {}
        for label, blocks in groups.items():
            for chain in ('none', *dict.fromkeys((blocks[0].fusion.chain, 'all'))):
                if chain == 'all' and len({branch.out_channels for branch in blocks[0].branches}) > 1:
                    continue  # branches of different widths cannot all be added
                results[f'{label}, chain {chain}'] = measure(blocks, chain)
        draw(results, args.out)
    for label, rows in results.items():
        dilated = [number for dilation, _, number in rows if dilation > 1]
        print(
            f'{label:28s} '
            + '  '.join(f'd{dilation} {number:.3f}' for dilation, _, number in rows)
            + f'  mean of dilated {sum(dilated) / len(dilated):.3f}'
        )
    print(f'{args.out}: 1 is a bare lattice, 0 an even field')


if __name__ == '__main__':
    main()
