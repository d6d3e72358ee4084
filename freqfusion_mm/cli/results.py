"""`results`: runs studies and metafiles, and makes their tables and plots."""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the sub-commands `run`, `tables`, `compare`, `plots`, `parameters` and `coverage`."""
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    run_parser = commands.add_parser('run', help='train and test the rows of a study or a metafile')
    run_parser.add_argument('file', type=Path, metavar='FILE', help='a study.yml or a metafile.yml')
    run_parser.add_argument('--jobs', type=int, default=1, metavar='N', help='runs at a time, of one thread each')
    run_parser.add_argument('--only', nargs='+', metavar='NAME', help='rows to run; default: all')
    run_parser.add_argument('--seeds', nargs='+', type=int, help="default: the study's; 0 for a metafile")
    run_parser.add_argument('--choose', action='store_true', help='first choose the settings that rows leave open')
    run_parser.add_argument(
        '--work-dir', type=Path, help='default: work_dirs/<folder of FILE>, in the checkout, as from its root'
    )

    tables_parser = commands.add_parser('tables', help='write the tables of the README files')
    tables_parser.add_argument('--check', action='store_true', help='write nothing; fail where one is out of date')

    compare_parser = commands.add_parser('compare', help='print the tables of a study against another of its rows')
    compare_parser.add_argument('file', type=Path, metavar='STUDY', help='a study.yml')
    compare_parser.add_argument('--against', required=True, metavar='NAME', help='the row that takes its place')

    plots_parser = commands.add_parser('plots', help='draw the curves and the values of a study')
    plots_parser.add_argument('file', type=Path, metavar='STUDY', help='a study.yml')

    parameters_parser = commands.add_parser(
        'parameters', help='count parameters and multiply-adds of the models of a metafile'
    )
    parameters_parser.add_argument(
        'file', type=Path, metavar='METAFILE', help='a metafile.yml; they are written into it'
    )
    parameters_parser.add_argument('--only', nargs='+', metavar='NAME', help='models to count; default: all')
    parameters_parser.add_argument('--check', action='store_true', help='write nothing; fail where they differ')

    coverage_parser = commands.add_parser('coverage', help='count the rows of published tables that have a config')
    coverage_parser.add_argument(
        'folder',
        type=Path,
        metavar='FOLDER',
        help='of YAML files with the tables',
    )


def run(args: Namespace) -> None:
    """Does what the arguments say.

    Raises:
        SystemExit: one line on a user's error, or status 1 where a run failed or a table is out of date.
    """
    from ..apis.studies import commands
    from ..apis.studies.study import ROOT

    if not (ROOT / 'configs').is_dir():
        raise SystemExit(
            f'error: results works on the configs and projects of a checkout, and this package is installed in {ROOT} '
            'without them: clone the repository, and run tools/results.py there'
        )
    try:
        if args.command == 'run':
            commands.run(args.file, args.jobs, args.only, args.seeds, args.choose, args.work_dir)
        elif args.command == 'tables':
            commands.tables(check=args.check)
        elif args.command == 'compare':
            commands.compare(args.file, args.against)
        elif args.command == 'plots':
            commands.plots(args.file)
        elif args.command == 'coverage':
            commands.coverage(args.folder)
        else:
            commands.parameters(args.file, args.check, args.only)
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit('interrupted; the same command goes on from what is finished') from None


def main(argv: list[str] | None = None) -> None:
    """The command of its own: `python tools/results.py`."""
    parser = ArgumentParser(prog='results', description='Run studies and metafiles, and make their tables and plots.')
    add_arguments(parser)
    run(parser.parse_args(argv))
