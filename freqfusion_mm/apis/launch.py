"""What tools/train.py and tools/test.py share: arguments, config, checks before the run, plain errors."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .checkpoint import CheckpointError, load_strictly, read_checkpoints_as_data
from .config import config_path, register_config_prefixes

# scope -> (hook, its switch, its folder, visualizer)
PICTURES = {
    'mmseg': ('SegVisualizationHook', 'draw', None, 'SegLocalVisualizer'),
    'mmdet': ('DetVisualizationHook', 'draw', 'test_out_dir', 'DetLocalVisualizer'),
    'mmpretrain': ('VisualizationHook', 'enable', 'out_dir', 'UniversalVisualizer'),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments that mim and the frameworks' own tools agree on.

    There is no option for the number of devices: mim would pass one on if the help named it, but
    mmengine itself takes the device that it finds, and `--launcher` says how many.
    """
    parser.add_argument('config', help='a config file, or the name of one of ours')
    parser.add_argument('--work-dir', help='where logs and checkpoints go (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config, for example train_cfg.max_iters=100',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run are started',
    )
    # torch.distributed.launch passes one spelling or the other.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')


def load_config(args: Namespace) -> Config:
    """Reads the config that the arguments name, with every prefix and registered name in force."""
    import freqfusion_mm.registration  # noqa: F401  (before the config: it may use any of our names)

    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    register_config_prefixes()
    read_checkpoints_as_data()
    file = args.config if Path(args.config).is_file() else config_path(args.config)
    cfg = Config.fromfile(file)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{Path(file).stem}'
    return cfg


def check_data(cfg: Config, *loaders: str) -> None:
    """Checks that the folders and annotation files of these loaders exist.

    Raises:
        FileNotFoundError: names the loader, the setting, the path, and the remedy; a config may say
            its own in a string `data_help`.
    """
    for loader in loaders:
        for setting, path in _paths(cfg.get(loader) or {}):
            if '://' not in path and not os.path.exists(path):
                remedy = cfg.get('data_help') or (
                    f'put the data there, or say where it is: --cfg-options {loader}.dataset.data_root=FOLDER'
                )
                raise FileNotFoundError(
                    f'{loader} wants {setting} {path}, which does not exist (seen from {os.getcwd()}); {remedy}'
                )


def build_runner(cfg: Config) -> Runner:
    """Builds the runner that the config asks for."""
    if 'runner_type' not in cfg:
        return Runner.from_cfg(cfg)
    from mmengine.registry import RUNNERS

    return RUNNERS.build(cfg)


def save_pictures(cfg: Config, folder: str) -> None:
    """Switches on the pictures of a test run, whatever the config says of them.

    Raises:
        ValueError: the config's `default_scope` is none that draws.
    """
    scope = cfg.get('default_scope')
    if scope not in PICTURES:
        raise ValueError(
            f"pictures are drawn for default_scope {', '.join(PICTURES)}, but the config's "
            f'is {scope!r}; set it, or leave --show-dir out'
        )
    hook_type, switch, folder_key, visualizer_type = PICTURES[scope]
    folder = os.path.abspath(folder)
    hooks = dict(cfg.get('default_hooks') or {})
    hook = hooks.get('visualization') or dict(type=hook_type)
    hook[switch], hook['interval'] = True, 1
    if folder_key:
        hook[folder_key] = folder
    hooks['visualization'] = hook
    cfg.default_hooks = hooks
    visualizer = cfg.get('visualizer') or dict(type=visualizer_type)
    visualizer['name'] = visualizer.get('name', 'visualizer')
    visualizer['vis_backends'] = [dict(type='LocalVisBackend', img_save_dir=folder)]
    cfg.visualizer = visualizer


class StrictLoading(Hook):
    """Refuses a checkpoint that does not fit the model; mmengine itself only logs it.

    Args:
        filename: the checkpoint, for the error message.
    """

    priority = 'LOWEST'  # after the hooks that exchange the weights, such as the averaged ones

    def __init__(self, filename: str) -> None:
        self.filename = filename

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        load_strictly(runner.model, checkpoint, self.filename)


@contextmanager
def plain_errors(show_traceback: bool, *, while_building: bool) -> Iterator[None]:
    """Turns a user's error into one line and exit status 1.

    Args:
        show_traceback: let every error through as it is.
        while_building: everything that goes wrong while config, model and data sets are built counts
            as the user's; later, only a checkpoint that cannot be used does.
    """
    users = (
        (
            OSError,
            ValueError,
            TypeError,
            LookupError,
            ImportError,
            AssertionError,
            AttributeError,
            NameError,
            SyntaxError,
            RuntimeError,
        )
        if while_building
        else CheckpointError
    )
    try:
        yield
    except users as error:
        if show_traceback:
            raise
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        if isinstance(error, ImportError) and error.__cause__:
            text = error.__cause__  # mmengine's own text around it lists sys.path
        kind = '' if isinstance(error, (ValueError, OSError)) else f'{type(error).__name__}: '
        raise SystemExit(f'error: {kind}{" ".join(str(text).split())}') from None


def _paths(loader: dict) -> Iterator[tuple[str, str]]:
    """The paths that a data loader's settings name, inside every wrapper."""
    datasets = [loader.get('dataset')] + list(loader.get('datasets') or [])
    for dataset in datasets:
        if not isinstance(dataset, dict):
            continue
        yield from _paths(dataset)
        if dataset.get('download'):
            continue  # the data set fetches what is missing
        root = dataset.get('data_root') or ''
        if root:
            yield 'data_root', root
        prefixes = dataset.get('data_prefix') or {}
        prefixes = prefixes if isinstance(prefixes, dict) else {'': prefixes}
        for setting, path in [*prefixes.items(), ('ann_file', dataset.get('ann_file'))]:
            if path:
                yield setting, os.path.join(root, path)
