"""Predict for images and for all images below folders.

Segmentation: NAME_labels.png (class numbers as the data set's label files count them, at the size of the image) and
NAME_overlay.png (colours over the image, with a legend). Depth: NAME_depth.png (numbers as in the label files) and an
overlay. Detection and panoptic segmentation: an overlay. Results are those of `freqfusion-mm test`. Subfolders are
kept, and what this command wrote is never read as an image again. The weights may be ours or the authors'.
"""

import sys
from argparse import ArgumentParser, Namespace

from .arguments import CONFIG_HELP, add_common
from .errors import building, say_what_failed


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `infer` takes."""
    parser.add_argument('images', nargs='+', help='images, or folders of them')
    parser.add_argument('--model', required=True, metavar='CONFIG', help=CONFIG_HELP)
    parser.add_argument('--weights', required=True, help="a checkpoint of it, or the author's file")
    parser.add_argument('--out', required=True, help='the folder to write into')
    parser.add_argument('--opacity', type=float, default=0.5, help='of the colours over the image, 0 to 1')
    parser.add_argument('--score-thr', type=float, default=0.3, help='detections below it are not drawn')
    add_common(parser)


def run(args: Namespace) -> int:
    """Predicts; the exit status is 1 where images could not be read or predicted."""
    from mmengine.utils import ProgressBar

    from ..apis.folders import FolderPredictor
    from ..apis.model import init_model
    from ..apis.outputs import check_out_folder

    with building():
        check_out_folder(args.out)
        model = init_model(args.model, args.weights, args.device, args.cfg_options)
        predictor = FolderPredictor(model, args.opacity, args.score_thr)
        count = len(predictor.find(args.images))
    progress = ProgressBar(count, file=sys.stdout)
    with building(OSError):
        report = predictor.run(args.images, args.out, progress.update)
    print('\n' + '\n'.join(report.lines))
    print(
        f'{len(report.lines)} images in {args.out}; network {1000 * report.median:.0f} ms an image (median) at '
        f'{report.size[1]}x{report.size[0]} on {next(model.parameters()).device}'
    )
    return say_what_failed(report.failures)
