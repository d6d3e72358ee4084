#!/usr/bin/env python
"""Counts the parameters of every model of a metafile and writes them into it.

python tools/count_parameters.py configs/freqfusion/metafile.yml
"""

from argparse import ArgumentParser
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope, init_default_scope

import freqfusion_mm.registration  # noqa: F401  (the configs name our classes)


def millions(config: str) -> float:
    """Parameters of a config's model in millions."""
    cfg = Config.fromfile(config)
    DefaultScope._instance_dict.clear()
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def main() -> None:
    parser = ArgumentParser(description='Count the parameters of every model of a metafile.')
    parser.add_argument('metafile')
    metafile = Path(parser.parse_args().metafile)
    meta = yaml.safe_load(metafile.read_text())
    for model in meta['Models']:
        model['Metadata']['Parameters (M)'] = round(millions(model['Config']), 3)
        print(f'{model["Metadata"]["Parameters (M)"]:10.3f}  {model["Name"]}')
    metafile.write_text(yaml.safe_dump(meta, sort_keys=False, width=120))


if __name__ == '__main__':
    main()
