"""The same words for the same options in every command."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

CONFIG_HELP = 'a config file, or the name of one of ours'


def add_config(parser: ArgumentParser) -> None:
    """CONFIG, the first argument."""
    parser.add_argument('config', help=CONFIG_HELP)


def add_common(parser: ArgumentParser, *, device: bool = True) -> None:
    """What every command with a config takes: --cfg-options, --device, --traceback.

    Args:
        parser: of the command.
        device: off where mmengine chooses: mim would pass an option on that the help names.
    """
    from mmengine.config import DictAction

    class Settings(DictAction):
        def __call__(self, parser: ArgumentParser, namespace: Namespace, values: list[str], *option: str) -> None:
            try:
                super().__call__(parser, namespace, values, *option)
            except (ValueError, AssertionError):
                parser.error(
                    '--cfg-options wants KEY=VALUE ..., after the other arguments, in quotes where it holds brackets, '
                    f'got {" ".join(values)}'
                )

    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        metavar='KEY=VALUE',
        help='override settings of the config, for example train_cfg.max_iters=100',
    )
    if device:
        parser.add_argument('--device', help='cuda, cuda:1, cpu, ...; by default the GPU where there is one')
    add_traceback(parser)


def add_traceback(parser: ArgumentParser) -> None:
    """--traceback."""
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')


def add_run(parser: ArgumentParser) -> None:
    """What mim and the frameworks' own tools agree on, for `train` and `test`.

    There is no option for the number of devices: mim would pass one on if the help named it, but
    mmengine itself takes the device that it finds, and `--launcher` says how many.
    """
    add_config(parser)
    parser.add_argument('--work-dir', help='where logs and checkpoints go (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run are started',
    )
    # torch.distributed.launch passes one spelling or the other.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')
    add_common(parser, device=False)


def add_models(parser: ArgumentParser) -> None:
    """--model CONFIG CHECKPOINT, once for each model that is compared, and --title."""
    parser.add_argument(
        '--model',
        nargs=2,
        action='append',
        required=True,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='one for each model that is compared',
    )
    parser.add_argument('--title', action='append', default=[], help='of each --model; default: the config name')


def titles(args: Namespace, *, repeated: bool = False) -> list[str]:
    """A title for each `--model`; see `names_of`."""
    return names_of([config for config, _ in args.model], args.title, repeated=repeated)


def names_of(configs: Sequence[str], given: Sequence[str], *, repeated: bool = False) -> list[str]:
    """A title for each config: the given ones, then the configs' names.

    Args:
        configs: paths or names.
        given: the user's titles, for the first so many.
        repeated: whether several models may be given the same title, as runs of one method.

    Raises:
        ValueError: two are the same, or there are more titles than models.
    """
    if len(given) > len(configs):
        raise ValueError(f'--title is given {len(given)} times for {len(configs)} models')
    own = [Path(config).name.removesuffix('.py') for config in configs[len(given) :]]
    told_apart = [*(dict.fromkeys(given) if repeated else given), *own]
    if len(set(told_apart)) < len(told_apart):
        names = ', '.join([*given, *own])
        raise ValueError(f'each model needs a name of its own, got {names}: give each a --title')
    return [*given, *own]
