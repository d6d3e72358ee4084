"""Look the installation over, and name every problem with its remedy; the exit status is 1 where there is one."""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Adds nothing."""


def run(args: Namespace) -> int:
    """Prints the report."""
    from ..apis.installation import report

    return report()
