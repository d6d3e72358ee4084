"""Print the path of one of our configs, for any tool that wants a file."""

from argparse import ArgumentParser, Namespace

from ..apis.config import config_path


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `config` takes."""
    parser.add_argument('name', help='with or without .py, or the path below configs/')


def run(args: Namespace) -> None:
    """Prints it."""
    try:
        print(config_path(args.name))
    except ValueError as error:
        raise SystemExit(f'error: {error}') from None
