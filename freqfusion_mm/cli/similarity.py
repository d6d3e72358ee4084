"""Measure how well a segmentor's features keep classes together and apart: IntraSim, InterSim, SimMargin, SimAcc.

These are the measures of FreqFusion's Table I, over the whole image and over the band along class boundaries; their
definitions stand in freqfusion_mm/evaluation/analysis/feature_similarity.py. Any mmsegmentation config does; data set,
test pipeline and batch size are the config's own. The network sees each image whole, also where the config slides a
window. LAYER is the name of a module of the model, as model.named_modules() gives it:

  decode_head.fusion_conv        the map that it returns
  decode_head.fusion_conv:in     the map that it is given, here all levels fused and concatenated
  decode_head.fusions.0:0        the first of several maps that it returns, here the upsampled one of a fusion
  decode_head.fusions.0:in:1     the second of several maps that it is given

All models are measured at the same layers: those that stand for the same thing in each. Models that share a --title are
runs of one method: the table that is printed has their mean with its 95 % t interval. The CSV file has each model and
the classes too. Shapes' 100 images take some ten seconds of one core for a model at two layers.
"""

from argparse import ArgumentParser, Namespace

from .arguments import add_common, add_models, titles
from .errors import building, say_what_failed


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `similarity` takes."""
    from ..evaluation.analysis.feature_similarity import INTER

    add_models(parser)
    parser.add_argument('--layer', action='append', required=True, help='NAME, NAME:INDEX, NAME:in or NAME:in:INDEX')
    parser.add_argument('--split', choices=['test', 'val'], default='test', help='whose data loader; default: test')
    parser.add_argument('--images', type=int, help='so many images, spread evenly; default: all')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help="resize labels (nearest) to it; default: the label's own. The authors' is 256 512",
    )
    parser.add_argument(
        '--edge',
        type=int,
        default=5,
        help='side of the square around a boundary pixel, odd; default: 5; 0: whole images only',
    )
    parser.add_argument(
        '--inter',
        choices=INTER,
        default='mean',
        help="InterSim to the other classes' centres, their mean (default) or the nearest of them, or "
        "centers: between centres, as the authors' script has it",
    )
    parser.add_argument(
        '--interpolation',
        choices=['bilinear', 'nearest'],
        default='bilinear',
        help="of the features to the label's size; default: bilinear",
    )
    parser.add_argument('--out', default='work_dirs/feature_similarity.csv', help='file to write')
    add_common(parser)


def run(args: Namespace) -> int:
    """Measures; the exit status is 1 where images could not be read."""
    from ..apis.outputs import check_out
    from ..apis.similarity import LayerSimilarity
    from ..apis.trained import Trained, check_same_images
    from ..evaluation.analysis.similarity_report import markdown, write_csv

    with building():
        if args.images is not None and args.images < 1 or min(args.size or [1]) < 1:
            raise ValueError(f'--images and --size want positive numbers, got {args.images} and {args.size}')
        out = check_out(args.out)
        names = titles(args, repeated=True)
        options = dict(size=args.size, edge=args.edge, inter=args.inter, interpolation=args.interpolation)
        models = [Trained(*pair, args.split, args.device, args.cfg_options) for pair in args.model]
        check_same_images(names, models)
        similarities = [LayerSimilarity(trained, args.layer, **options) for trained in models]
    with building(ValueError):
        results = [(title, *each.measure(args.images)) for title, each in zip(names, similarities)]
        write_csv(results, out)
    print(f'{markdown(results)}\n\nwritten, with every class: {args.out}')
    failures = [failure for trained in models for failure in trained.failures]
    return say_what_failed(failures)
