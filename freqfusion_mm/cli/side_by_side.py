"""Draw pictures of a test set, one a row: input, ground truth, and the prediction of each model."""

from argparse import ArgumentParser, Namespace

from .arguments import add_common, add_models, titles
from .errors import building, say_what_failed


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `side-by-side` takes."""
    add_models(parser)
    parser.add_argument('--images', nargs='+', type=int, help='numbers in the test set; default: the first four')
    parser.add_argument('--score-thr', type=float, default=0.3, help='detections below it are not drawn')
    parser.add_argument('--labels', action='store_true', help='write class names into the pictures')
    parser.add_argument(
        '--predictions-only',
        action='store_true',
        help='draw predictions alone, on white: for images that may not be passed on',
    )
    parser.add_argument('--out', required=True, help='the picture to write')
    add_common(parser)


def run(args: Namespace) -> int:
    """Predicts and draws; the exit status is 1 where images could not be read."""
    from ..apis.outputs import check_picture_out
    from ..apis.side_by_side import draw_rows
    from ..apis.trained import Trained, check_same_images
    from ..visualization.side_by_side import save_columns

    with building():
        out = check_picture_out(args.out)
        names = titles(args)
        models = [Trained(*pair, device=args.device, cfg_options=args.cfg_options) for pair in args.model]
        check_same_images(names, models)
        images = args.images or list(range(min(4, len(models[0].dataset))))
        for title, model in zip(names, models):
            wrong = [number for number in images if not 0 <= number < len(model.dataset)]
            if wrong:
                raise ValueError(f'--images wants numbers from 0 to {len(model.dataset) - 1} for {title}, got {wrong}')
    with building(ValueError):
        drawn = [
            draw_rows(model, images, args.score_thr, args.labels, on_white=args.predictions_only) for model in models
        ]
    numbers = [number for number in images if all(number in rows for rows in drawn)]
    failures = [failure for model in models for failure in model.failures]
    if numbers:
        given = () if args.predictions_only else ('input', 'ground truth')
        columns = [(title, [drawn[0][number][i] for number in numbers]) for i, title in enumerate(given)]
        columns += [(title, [rows[number][2] for number in numbers]) for title, rows in zip(names, drawn)]
        save_columns(columns, out)
        print(f'{args.out}: {len(numbers)} rows of {len(columns)} pictures')
    return say_what_failed(failures)
