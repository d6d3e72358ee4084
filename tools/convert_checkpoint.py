#!/usr/bin/env python
"""Converts an author's checkpoint to ours: python tools/convert_checkpoint.py CONFIG FILE OUT

The names are mapped by the modules themselves, so one tool serves every method: the config says which model the file
is for, every tensor must find its place, and what is written loads with tools/test.py and mmengine alike.
"""

import hashlib
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from mmengine.registry import MODELS, init_default_scope

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
from freqfusion_mm.apis.dataset_meta import dataset_meta
from freqfusion_mm.apis.launch import load_config, plain_errors
from freqfusion_mm.apis.reference_checkpoint import reference_format, with_our_paths


def parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='a config file, or the name of one of ours: the model of the weights')
    parser.add_argument('file', help="the author's file; it is read as data only")
    parser.add_argument('out', help='the .pth file to write')
    parser.add_argument('--source', help='where the file comes from, for example an address; kept in its meta')
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')
    return parser


def convert(config: str, file: str, out: str, source: str | None = None) -> dict:
    """Writes the converted checkpoint, and returns its meta."""
    cfg = load_config(Namespace(config=config, launcher='none', local_rank=0, cfg_options=None, work_dir=None))
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    checkpoint = read_checkpoint(file)
    state_dict = checkpoint.get('state_dict', checkpoint)
    model = MODELS.build(cfg.model)
    load_strictly(model, with_our_paths(state_dict), file)
    meta = dict(
        dataset_meta=dataset_meta(cfg),
        config=Path(config).name.removesuffix('.py'),
        format=reference_format(state_dict),
        source=source or Path(file).name,
        sha256=hashlib.sha256(Path(file).read_bytes()).hexdigest(),
    )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), out)
    return meta


def main() -> None:
    args = parser().parse_args()
    with plain_errors(args.traceback, while_building=True):
        meta = convert(args.config, args.file, args.out, args.source)
    print(
        f'{args.out}: {meta["format"]} weights for {meta["config"]}, {len(meta["dataset_meta"]["classes"])} classes, '
        f'sha256 of the source {meta["sha256"][:8]}...'
    )


if __name__ == '__main__':
    main()
