"""Show and measure gridding with and without hierarchical feature fusion.

Without --model: one ESP and one EESP block of random weights (mean over --seeds). With --model and --weights: every
block of the backbone whose branches have stride 1 (mean over the blocks), with its fusion and, by the same weights,
without.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .arguments import add_common
from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `gridding` takes."""
    parser.add_argument('--out', required=True, help='the picture to write')
    parser.add_argument('--values', type=Path, metavar='FILE', help='write the numbers into this file too, as CSV')
    parser.add_argument('--channels', type=int, help='of the random blocks; a multiple of 80 (default: 80)')
    parser.add_argument('--seeds', type=int, help='random blocks to average (default: 20)')
    parser.add_argument(
        '--model', metavar='CONFIG', help='a config with an ESPNet or ESPNetV2 backbone, or the name of one of ours'
    )
    parser.add_argument('--weights', help="its checkpoint, or the author's file")
    add_common(parser)


def run(args: Namespace) -> None:
    """Measures, prints and draws."""
    from ..apis.outputs import check_out, check_picture_out
    from ..evaluation.analysis.gridding import blocks_of, measure_with_and_without, random_blocks, write_csv
    from ..visualization.gridding import draw_receptive_fields

    with building():
        if (args.model is None) != (args.weights is None):
            raise ValueError('--model and --weights go together')
        if args.model and (args.channels, args.seeds) != (None, None):
            raise ValueError('--channels and --seeds are of random blocks: leave them out with --model')
        out = check_picture_out(args.out, args.weights)
        values = check_out(args.values, args.weights) if args.values else None
        if values and values.resolve() == out.resolve():
            raise ValueError(f'--out and --values are both {out}, where a picture and a table are to be written')
        if args.model:
            from ..apis.model import init_model

            groups = blocks_of(init_model(args.model, args.weights, args.device, args.cfg_options))
        else:
            groups = random_blocks(
                80 if args.channels is None else args.channels, 20 if args.seeds is None else args.seeds
            )
    results = measure_with_and_without(groups)
    draw_receptive_fields(results, out)
    if values:
        write_csv(results, values)
    for label, rows in results.items():
        dilated = [number for dilation, _, number in rows if dilation > 1]
        print(
            f'{label:28s} '
            + '  '.join(f'd{dilation} {number:.3f}' for dilation, _, number in rows)
            + f'  mean of dilated {sum(dilated) / len(dilated):.3f}'
        )
    print(f'{args.out}: 1 is a bare lattice, 0 an even field')
