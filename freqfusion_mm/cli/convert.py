"""Convert an author's checkpoint to ours.

The names are mapped by the modules themselves, so one command serves every method: the config says which model the file
is for, every tensor must find its place, and what is written loads with `freqfusion-mm test` and mmengine alike.
"""

from argparse import SUPPRESS, ArgumentParser, Namespace

from .arguments import add_common, add_config
from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `convert` takes."""
    add_config(parser)
    parser.add_argument('file', help="the author's file; it is read as data only")
    parser.add_argument('out', nargs='?', default=SUPPRESS, help='as --out')
    parser.add_argument('--out', help='the .pth file to write')
    parser.add_argument('--source', help='where the file comes from, for example an address; kept in its meta')
    add_common(parser, device=False)


def run(args: Namespace) -> None:
    """Converts."""
    from ..apis.convert import convert_checkpoint

    with building():
        if not args.out:
            raise ValueError('say which file to write: --out FILE.pth')
        meta = convert_checkpoint(args.config, args.file, args.out, args.source, args.cfg_options)
    names = meta['dataset_meta'].get('classes')
    classes = f'{len(names)} classes' if names else 'classes without names'
    print(
        f'{args.out}: {meta["format"]} weights for {meta["config"]}, {classes}, '
        f'sha256 of the source {meta["sha256"][:8]}...'
    )
