"""`freqfusion-mm COMMAND ...`, or `python -m freqfusion_mm COMMAND ...`; a command imports what it needs."""

import runpy
import sys
import warnings
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

from .. import __version__
from ..apis.config import config_root
from .errors import one_line

#: command -> what it does; its module is called the same, with underscores, but for `PROGRAMS`.
COMMANDS = {
    'train': 'train a model, of mmseg, mmdet or mmpretrain',
    'test': 'evaluate a checkpoint',
    'infer': 'predict for images and folders of images',
    'export': 'write a model as ONNX',
    'pack': 'pack a training run for a machine with torch alone',
    'convert': "convert an author's checkpoint to ours",
    'explain': 'show what the upsamplers of a model do at one image',
    'compare': 'draw what every upsampler makes of one feature map',
    'side-by-side': 'draw the predictions of several models, one image a row',
    'boundaries': 'measure how right segmentors are along the borders of objects',
    'similarity': 'measure how features keep classes together and apart',
    'robustness': 'evaluate on corrupted and on shifted images',
    'gridding': 'measure gridding with and without hierarchical fusion',
    'benchmark': 'measure time and memory of the upsamplers',
    'gpu-check': 'test and measure the operators and layers on a GPU',
    'results': 'train, test and count the rows of the tables, and write them',
    'config': 'print the path of one of our configs',
    'zoo-check': 'check that one line reaches every config that mmdet and mmseg ship',
    'doctor': 'look the installation over',
}

#: Commands that are programs of their own, which parse what follows themselves.
PROGRAMS = {'benchmark': 'tools.benchmark', 'gpu-check': 'tools.gpu_check'}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: its name and its arguments; by default those of the process.

    Returns:
        The exit status.

    Raises:
        SystemExit: on a user's mistake, with one line, and for --help.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):  # the name of a file may hold what the terminal's encoding has not
            stream.reconfigure(errors='backslashreplace')
    if not argv or argv[0] not in COMMANDS:
        overview = ArgumentParser(
            prog='freqfusion-mm',
            formatter_class=RawDescriptionHelpFormatter,
            description='\n'.join(f'  {name:13} {what}' for name, what in COMMANDS.items()),
            epilog='freqfusion-mm COMMAND -h shows the options of a command',
        )
        overview.add_argument('--version', action='version', version=f'freqfusion_mm {__version__}')
        overview.add_argument('command', choices=COMMANDS, metavar='COMMAND')
        overview.parse_args(argv[:1])
    name, *rest = argv
    if name in PROGRAMS:
        sys.path.insert(0, str(config_root().parent))
        sys.argv = [f'freqfusion-mm {name}', *rest]
        with one_line():
            runpy.run_module(PROGRAMS[name], run_name='__main__')
        return 0
    warnings.filterwarnings('ignore', 'When align_corners=True')  # mmseg says so of every network that does
    module = import_module(f'.{name.replace("-", "_")}', __package__)
    parser = ArgumentParser(
        prog=f'freqfusion-mm {name}', description=module.__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    args = parser.parse_args(rest)
    with one_line(getattr(args, 'traceback', False)):
        return module.run(args) or 0


if __name__ == '__main__':
    raise SystemExit(main())
