#!/usr/bin/env python
"""Trains a model of any framework: python tools/train.py CONFIG [--resume] [--cfg-options KEY=VALUE ...]"""

from argparse import ArgumentParser

import torch
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from freqfusion_mm.apis.launch import StrictLoading, add_arguments, build_runner, check_data, load_config, plain_errors


def parser() -> ArgumentParser:
    parser = ArgumentParser(description='Train a model; mmseg, mmdet and mmpretrain configs alike.')
    add_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or from the newest in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a CUDA device)')
    return parser


def switch_on_amp(cfg: Config) -> None:
    if not torch.cuda.is_available():
        raise ValueError('--amp needs a CUDA device, and torch sees none here; leave it out')
    if cfg.optim_wrapper.type not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(
            f'--amp needs an optim_wrapper of type OptimWrapper, but the config has {cfg.optim_wrapper.type}'
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def main() -> None:
    args = parser().parse_args()
    with plain_errors(args.traceback, while_building=True):
        cfg = load_config(args)
        if args.amp:
            switch_on_amp(cfg)
        if args.resume:
            checkpoint = find_latest_checkpoint(cfg.work_dir) if args.resume == 'auto' else args.resume
            cfg.resume, cfg.load_from = checkpoint is not None, checkpoint
        check_data(cfg, 'train_dataloader', 'val_dataloader')
        runner = build_runner(cfg)
        if cfg.get('resume') and cfg.get('load_from'):
            runner.register_hook(StrictLoading(cfg.load_from))
        runner.train_loop, runner.val_loop  # build the data sets now, where an error is the user's
    with plain_errors(args.traceback, while_building=False):
        runner.train()


if __name__ == '__main__':
    main()
