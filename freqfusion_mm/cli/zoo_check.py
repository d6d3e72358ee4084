"""Walk every config that the installed mmdet and mmseg ship, and check that one line reaches it.

In each config, the modules that upsample features are found; those of one architecture are built once, with random
weights, and ours beside them by the documented line. Ours gets the stock weights and, with the stock interpolation, has
to return the same numbers to the last bit; then it trains a step, alone, with --upsampler at an odd size. One row for
each place of a config goes to zoo_UPSAMPLER.csv at once, so that a run that is broken off continues; the .md beside it
is its table. Printed is the table of the configs that were asked for.
"""

from argparse import ArgumentParser, Namespace

from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `zoo-check` takes."""
    parser.add_argument('--scope', choices=('mmdet', 'mmseg'), help='one framework alone; default: both')
    parser.add_argument('--only', metavar='PATTERN', help="configs of this name alone, e.g. '*mask-rcnn*'")
    parser.add_argument('--upsampler', default='FreqFusion', help="of the step; 'none': no step; default: FreqFusion")
    parser.add_argument('--jobs', type=int, default=1, help='processes; default: 1')
    parser.add_argument('--out', default='work_dirs/zoo', help='folder to write')


def run(args: Namespace) -> int:
    """Checks, and prints the table; the exit status is 1 where a twin is not equal or does not train."""
    from ..apis.outputs import check_out_folder
    from ..apis.zoo.report import markdown
    from ..apis.zoo.run import asked, check_all, read_rows
    from ..layers.registry import find_upsampler

    scopes = [args.scope] if args.scope else ['mmdet', 'mmseg']
    upsampler = None if args.upsampler == 'none' else args.upsampler
    with building(RuntimeError, ValueError, OSError):
        file = check_out_folder(args.out) / f'zoo_{args.upsampler}.csv'
        if upsampler:
            find_upsampler(upsampler)  # before the work
        check_all(file, scopes, args.only, upsampler, args.jobs)
    rows = read_rows(file)
    file.with_suffix('.md').write_text(markdown(rows))
    rows = [row for row in rows if asked(row['scope'], row['config'], scopes, args.only)]
    print(markdown(rows))
    return int(any(row['ours'] and {row['equal'], row['trains']} - {'yes', ''} for row in rows))
