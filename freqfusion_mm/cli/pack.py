"""Pack a training run into one file for a machine with torch alone; there, `python PACKED.zip train`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .arguments import add_common, add_config
from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `pack` takes."""
    add_config(parser)
    parser.add_argument('--out', type=Path, default=Path('packed.zip'), help='the file to write (default: packed.zip)')
    parser.add_argument('--mib', type=float, default=60.0, help='its size, up to which data are taken (default: 60)')
    add_common(parser, device=False)


def run(args: Namespace) -> None:
    """Packs, and says what is in it."""
    from ..apis.packing import pack

    out = args.out.expanduser()
    with building():
        packed = pack(args.config, out, args.mib, args.cfg_options)
    for loader, samples in packed['samples'].items():
        print(f'{loader}: {samples} samples')
    if packed['left_out']:
        print(f'left behind, being compiled: {", ".join(packed["left_out"])}')
    print(f'wrote {out}, {out.stat().st_size / 2**20:.1f} MiB; on the other machine: python {out} train')
