"""Evaluate a checkpoint; mmseg, mmdet and mmpretrain configs alike."""

import os
import sys
from argparse import ArgumentParser, Namespace

from .arguments import add_run
from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `test` takes."""
    add_run(parser)
    parser.add_argument('checkpoint', help='a .pth file of this very model')
    parser.add_argument(
        '--out', help='keep the predictions: a .pkl file, or for semantic segmentation and depth a folder of maps'
    )
    parser.add_argument('--show-dir', help='draw every prediction into this folder')
    parser.add_argument('--tta', action='store_true', help="average over augmented views, by the config's tta_model")


def run(args: Namespace) -> int:
    """Evaluates; the exit status is 1 where images had to be left out."""
    from ..apis.testing import build_test

    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with building():
        test = build_test(
            args.config,
            args.checkpoint,
            cfg_options=args.cfg_options,
            work_dir=args.work_dir,
            launcher=args.launcher,
            out=args.out,
            show_dir=args.show_dir,
            tta=args.tta,
        )
    failed = test.run()
    if args.show_dir:
        print(f'{test.pictures.written} pictures in {args.show_dir}')
    if failed:
        print(f'error: {failed}', file=sys.stderr)
    return int(bool(failed))
