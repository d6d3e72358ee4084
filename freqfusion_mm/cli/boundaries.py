"""Measure how right segmentors are along the borders of objects: Boundary IoU, BF, and the mIoU near borders.

The mIoU is that of the pixels within so many pixels of a border of the ground truth, drawn as a curve over the width
(trimap); the definitions of all three stand in freqfusion_mm/evaluation/metrics. Any mmsegmentation config does; data
set, test pipeline and window are the config's own. Models that share a --title are runs of one method: the table has
their mean with its 95 % t interval, the picture their mean as a thick line and each of them as a thin one. Written are
boundaries.csv (a line for each model) and trimap.png.
"""

from argparse import ArgumentParser, Namespace

from .arguments import add_common, add_models, titles
from .errors import building, say_what_failed


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `boundaries` takes."""
    add_models(parser)
    parser.add_argument('--split', choices=['test', 'val'], default='test', help='whose data loader; default: test')
    parser.add_argument('--images', type=int, help='so many images, spread evenly; default: all')
    parser.add_argument(
        '--widths',
        nargs='+',
        type=int,
        default=[1, 2, 4, 8, 16],
        metavar='PIXELS',
        help='of the bands around borders; default: 1 2 4 8 16',
    )
    parser.add_argument('--out', default='work_dirs/boundaries', help='folder to write')
    add_common(parser)


def run(args: Namespace) -> int:
    """Measures; the exit status is 1 where images could not be read."""
    from mmengine.logging import MMLogger

    from ..apis.boundaries import boundary_evaluator, curves, markdown, measure_boundaries, write_csv
    from ..apis.outputs import check_out_folder
    from ..apis.trained import Trained, check_same_images
    from ..visualization.trimap_curve import draw_trimap_curve

    MMLogger.get_current_instance().setLevel('WARNING')  # every metric logs a table of classes
    with building():
        if args.images is not None and args.images < 1:
            raise ValueError(f'--images wants a positive number, got {args.images}')
        out = check_out_folder(args.out, ['trimap.png'])
        names = titles(args, repeated=True)
        models = [Trained(*pair, args.split, args.device, args.cfg_options) for pair in args.model]
        check_same_images(names, models)
        evaluators = [boundary_evaluator(trained, args.widths) for trained in models]
    runs: dict[str, list[dict[str, float]]] = {}
    with building(ValueError):
        for title, trained, evaluator in zip(names, models, evaluators):
            runs.setdefault(title, []).append(measure_boundaries(trained, evaluator, args.images))
    write_csv(runs, out / 'boundaries.csv')
    draw_trimap_curve(curves(runs), out / 'trimap.png')
    print(f'{markdown(runs)}\n\nwritten: {out}')
    failures = [failure for trained in models for failure in trained.failures]
    return say_what_failed(failures)
