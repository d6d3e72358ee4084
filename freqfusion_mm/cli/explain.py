"""See what the upsamplers of a model do at one image: one page that opens in any browser, without a network.

For each fusion of each model: the features before and after as colours of one palette, what changed, a slider between
any two models, a zoom at the place that is clicked and there the kernel, attention or sampling points; spectra and
bandwidth of kernels, offsets; sub-bands of LiftPool, gridding of ESP; the prediction. With --labels, of a segmentor,
consistency and margin of the features, errors, and the mIoU near borders. Models are compared fusion by fusion where
the layers have the same name.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .arguments import add_common, add_config
from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `explain` takes."""
    add_config(parser)
    parser.add_argument('checkpoint', help="a checkpoint of it, or the author's file")
    parser.add_argument('image', help='a picture, which goes through the test pipeline of each config')
    parser.add_argument(
        '--against',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='another model; may be given several times',
    )
    parser.add_argument(
        '--title', action='append', default=[], help='of each model in turn; default: the name of its config'
    )
    parser.add_argument('--labels', help="the image's label map, as the data set of the configs has them")
    parser.add_argument('--out', default='explain.html', help='the page to write; default: explain.html')
    parser.add_argument('--figures', help='write the figures into this folder too, as PNG and PDF')
    parser.add_argument('--score-thr', type=float, default=0.3, help='detections below it are not drawn')
    add_common(parser)


def run(args: Namespace) -> None:
    """Explains."""
    from ..apis.explanation import explain
    from ..apis.outputs import check_out, check_out_folder, refuse_to_overwrite
    from ..visualization.explain.figures import FORMATS, draw_features, draw_figures, figure_files, save_figures
    from ..visualization.explain.page import write_page
    from .arguments import names_of

    models = [(args.config, args.checkpoint), *args.against]
    with building():
        out = check_out(args.out, args.image, args.labels, *(path for model in models for path in model))
        if out.suffix.lower() not in ('.html', '.htm'):
            raise ValueError(f'--out is a page for a browser and wants a name in .html, got {args.out}')
        folder = check_out_folder(args.figures) if args.figures else None
        views = [
            explain(
                *model,
                args.image,
                title=title,
                labels=args.labels,
                device=args.device,
                cfg_options=args.cfg_options,
                score_thr=args.score_thr,
            )
            for model, title in zip(models, names_of([config for config, _ in models], args.title))
        ]
    figures = draw_figures(views)
    if folder:
        separate = figures | draw_features(views)
        with building(FileExistsError):
            for ending in FORMATS:
                refuse_to_overwrite(figure_files(separate, folder, ending).values())
    with building(ValueError):
        size = write_page(views, figures, out, Path(args.image).name)
    print(f'{args.out}: {len(views)} models, {len(figures)} figures, {size / 2**20:.1f} MiB')
    if folder:
        save_figures(separate, folder)
        print(f'{args.figures}: the figures, as PNG and PDF')
