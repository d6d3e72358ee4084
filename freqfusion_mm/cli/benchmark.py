"""Measure time and memory of the upsamplers: the arguments are those of `python -m tools.benchmark`."""

import runpy
import sys
from argparse import ArgumentParser, Namespace

from ..apis.config import config_root

PASSES_ON = True


def add_arguments(parser: ArgumentParser) -> None:
    """Adds nothing: the program parses what follows."""


def run(args: Namespace) -> None:
    """Runs the program of `tools/benchmark`."""
    sys.path.insert(0, str(config_root().parent))
    sys.argv = ['freqfusion-mm benchmark', *args.arguments]
    runpy.run_module('tools.benchmark', run_name='__main__')
