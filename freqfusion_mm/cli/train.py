"""Train a model; mmseg, mmdet and mmpretrain configs alike."""

import os
from argparse import ArgumentParser, Namespace

from .arguments import add_run
from .errors import building, say_what_failed


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `train` takes."""
    add_run(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or from the newest in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a CUDA device)')


def run(args: Namespace) -> int:
    """Trains; the exit status is 1 where images had to be left out."""
    from ..apis.config import check_parts, load_config
    from ..apis.data import check_data
    from ..apis.runner import StrictLoading, build_optimizer, build_runner, use_amp
    from ..apis.unreadable import left_out_of_training, skip_unreadable_in_training
    from ..engine.newest_checkpoint import newest_checkpoint

    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with building():
        cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
        check_parts(cfg, 'train_dataloader', 'train_cfg', 'optim_wrapper')
        if args.amp:
            use_amp(cfg)
        if args.resume:
            checkpoint = newest_checkpoint(cfg.work_dir) if args.resume == 'auto' else args.resume
            cfg.resume = checkpoint is not None
            if cfg.resume:
                cfg.load_from = checkpoint
            else:  # the first time: begins as it would without --resume
                print(f'no checkpoint in {cfg.work_dir} yet: training begins from {cfg.get("load_from") or "scratch"}')
        check_data(cfg, 'train_dataloader', 'val_dataloader')
        runner = build_runner(cfg)
        unreadable = skip_unreadable_in_training(runner)  # builds the data sets, where an error is the user's
        if cfg.get('resume') and cfg.get('load_from') and not cfg.get('strategy'):  # a shard has no keys to compare
            runner.register_hook(StrictLoading(cfg.load_from, runner.train_dataloader.dataset))
        build_optimizer(runner)
    runner.train()
    return say_what_failed(left_out_of_training(runner, unreadable))
