"""Evaluate classifiers or segmentors on corrupted and on shifted images.

Data set, test pipeline and metric are those of each config (mmseg or mmpretrain); the change of the image is put
behind the pipeline's step that loads it, in pixels of the file. Corruptions are ImageNet-C's, by default the 15 at
severities 1, 3 and 5; their strengths were made for photographs of 224 pixels and are harsher on smaller images. A
shift moves the image diagonally, by 1 to 8 pixels along each axis, continued by reflection; the consistency is the
share of predictions that stay equal: of images, or of the pixels that both views show. The corrupted images are
computed once for all models. Written are robustness.csv (every number), robustness.md (tables), summary.json,
robustness.png (a plot) and corruptions.png (what an image looks like). Shapes' 100 images take 60 to 80 seconds of one
core a model, of which the corruptions' 20 serve all models together.
"""

from argparse import ArgumentParser, Namespace

from .arguments import add_common, add_models, titles
from .errors import building, say_what_failed


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `robustness` takes."""
    add_models(parser)
    parser.add_argument(
        '--corruptions',
        nargs='*',
        default=['common'],
        help='names, or groups of them: common (the 15 of ImageNet-C, the default), noise, blur, '
        'weather, digital, validation, all',
    )
    parser.add_argument(
        '--severities',
        nargs='+',
        type=int,
        default=[1, 3, 5],
        choices=range(1, 6),
        metavar='1..5',
        help='default: 1 3 5',
    )
    parser.add_argument(
        '--shifts', nargs='*', type=int, default=tuple(range(1, 9)), metavar='PIXELS', help='default: 1 to 8'
    )
    parser.add_argument('--images', type=int, help='so many images of the test set, spread evenly; default: all')
    parser.add_argument('--out', default='work_dirs/robustness', help='folder to write')
    add_common(parser)


def run(args: Namespace) -> int:
    """Measures; the exit status is 1 where images could not be read."""
    from mmengine.logging import MMLogger

    from ..apis.outputs import check_out_folder
    from ..apis.robustness import Candidate, measure
    from ..apis.trained import check_same_images
    from ..evaluation.analysis.image_changes import corruption_names
    from ..evaluation.analysis.robustness_report import markdown, write, write_csv
    from ..visualization.robustness import draw_corruptions, plot

    MMLogger.get_current_instance().setLevel('WARNING')  # mmseg prints a table at every evaluation
    with building():
        names = corruption_names(args.corruptions) if args.corruptions else []
        if any(distance < 1 for distance in args.shifts) or args.images is not None and args.images < 1:
            raise ValueError(f'--shifts and --images want positive numbers, got {list(args.shifts)} and {args.images}')
        models = [
            Candidate(title, *pair, args.images, args.device, args.cfg_options)
            for title, pair in zip(titles(args), args.model)
        ]
        check_same_images([model.title for model in models], [model.trained for model in models])
        out = check_out_folder(args.out, ['robustness.png', 'corruptions.png'])
        out.mkdir(parents=True, exist_ok=True)
    with building(ValueError):
        results = measure(models, names, args.severities, args.shifts, lambda some: write_csv(some, out))
    write(results, args.severities, out)
    if names or args.shifts:
        plot(results, out / 'robustness.png')
    if names:
        severity = sorted(args.severities)[len(args.severities) // 2]
        draw_corruptions(*models[0].examples(names, severity), out / 'corruptions.png')
    print(f'\n{markdown(results, args.severities)}\nwritten: {out}')
    failures = [failure for model in models for failure in model.trained.failures]
    return say_what_failed(failures)
