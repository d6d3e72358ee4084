"""Test and measure the operators and layers on a GPU: the arguments are those of `python -m tools.gpu_check`."""

import runpy
import sys
from argparse import ArgumentParser, Namespace

from ..apis.config import config_root

PASSES_ON = True


def add_arguments(parser: ArgumentParser) -> None:
    """Adds nothing: the program parses what follows."""


def run(args: Namespace) -> None:
    """Runs the program of `tools/gpu_check`."""
    sys.path.insert(0, str(config_root().parent))
    sys.argv = ['freqfusion-mm gpu-check', *args.arguments]
    runpy.run_module('tools.gpu_check', run_name='__main__')
