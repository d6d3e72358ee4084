#!/usr/bin/env python
"""Evaluates a checkpoint of any framework: python tools/test.py CONFIG CHECKPOINT [--show-dir FOLDER]"""

from argparse import ArgumentParser
from pathlib import Path

from mmengine.config import Config
from mmengine.evaluator import DumpResults

from freqfusion_mm.apis.launch import (
    StrictLoading,
    add_arguments,
    build_runner,
    check_data,
    load_config,
    plain_errors,
    save_pictures,
)


def parser() -> ArgumentParser:
    parser = ArgumentParser(description='Evaluate a model; mmseg, mmdet and mmpretrain configs alike.')
    add_arguments(parser)
    parser.add_argument('checkpoint', help='a .pth file of this very model')
    parser.add_argument(
        '--out', help='keep the predictions: a .pkl file, or for semantic segmentation a folder of label maps'
    )
    parser.add_argument('--show-dir', help='draw every prediction into this folder')
    return parser


def keep_label_maps(cfg: Config, folder: str) -> None:
    if cfg.get('default_scope') != 'mmseg':
        raise ValueError(
            f'--out wants a .pkl file, but got {folder}; a folder of label maps is for '
            'semantic segmentation (default_scope mmseg)'
        )
    cfg.test_evaluator['output_dir'] = folder
    cfg.test_evaluator['keep_results'] = True


def main() -> None:
    args = parser().parse_args()
    dump = args.out if args.out and args.out.endswith(('.pkl', '.pickle')) else None
    with plain_errors(args.traceback, while_building=True):
        cfg = load_config(args)
        cfg.load_from, cfg.resume = args.checkpoint, False
        if args.out and not dump:
            keep_label_maps(cfg, args.out)
        if args.show_dir:
            save_pictures(cfg, args.show_dir)
        check_data(cfg, 'test_dataloader')
        runner = build_runner(cfg)
        runner.register_hook(StrictLoading(args.checkpoint))
        metrics = runner.test_loop.evaluator.metrics  # this builds the data set, where an error is the user's
        if dump:
            metrics.append(DumpResults(out_file_path=dump))
    with plain_errors(args.traceback, while_building=False):
        runner.test()
    if args.show_dir:
        print(f'{len(list(Path(args.show_dir).iterdir()))} pictures in {args.show_dir}')


if __name__ == '__main__':
    main()
