#!/usr/bin/env python
"""Measures how well a segmentor's features keep classes together and apart: IntraSim, InterSim, SimMargin, SimAcc.

python tools/feature_similarity.py --model CONFIG CHECKPOINT [--model CONFIG CHECKPOINT ...] --layer LAYER [...]

These are the measures of FreqFusion's Table I, over the whole image and over the band along class boundaries; their
definitions stand in freqfusion_mm/evaluation/analysis/feature_similarity.py. Any mmsegmentation config does; data set, test
pipeline and batch size are the config's own. The network sees each image whole, also where the config slides a
window. LAYER is the name of a module of the model, as model.named_modules() gives it:

  decode_head.fusion_conv        the map that it returns
  decode_head.fusion_conv:in     the map that it is given, here all levels fused and concatenated
  decode_head.fusions.0:0        the first of several maps that it returns, here the upsampled one of a fusion
  decode_head.fusions.0:in:1     the second of several maps that it is given

All models are measured at the same layers: those that stand for the same thing in each. A markdown table is printed;
the CSV file has the classes too. Shapes' 100 images take some ten seconds of one core for a model at two layers.
"""

import csv
import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
from freqfusion_mm.apis.launch import check_data, load_config, plain_errors
from freqfusion_mm.evaluation.analysis.feature_similarity import INTER, FeatureSimilarity

METRICS = ('IntraSim', 'InterSim', 'SimMargin', 'SimAcc', 'mSimAcc')


def parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('--model', nargs=2, action='append', required=True, metavar=('CONFIG', 'CHECKPOINT'))
    parser.add_argument('--title', action='append', default=[], help='of each --model; default: the config name')
    parser.add_argument('--layer', action='append', required=True, help='NAME, NAME:INDEX, NAME:in or NAME:in:INDEX')
    parser.add_argument('--split', choices=['test', 'val'], default='test', help='whose data loader; default: test')
    parser.add_argument('--images', type=int, help='the first so many images; default: all')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help="resize labels (nearest) to it; default: the label's own. The authors' is 256 512",
    )
    parser.add_argument(
        '--edge',
        type=int,
        default=5,
        help='side of the square around a boundary pixel, odd; default: 5; 0: whole images only',
    )
    parser.add_argument(
        '--inter',
        choices=INTER,
        default='mean',
        help="InterSim to the other classes' centres, their mean (default) or the nearest of them, or "
        "centers: between centres, as the authors' script has it",
    )
    parser.add_argument(
        '--interpolation',
        choices=['bilinear', 'nearest'],
        default='bilinear',
        help="of the features to the label's size; default: bilinear",
    )
    parser.add_argument('--out', default='work_dirs/feature_similarity.csv', help='file to write')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')
    return parser


class Probe:
    """Keeps the map that a layer returns, or is given, whenever the model runs.

    Raises:
        ValueError: there is no such layer; later, the layer's maps are not one [B, C, h, w].
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        self.layer = layer
        name, *which = layer.split(':')
        given = which[:1] == ['in']
        index = which[1:] if given else which
        if len(index) > 1 or not all(part.isdecimal() for part in index):
            raise ValueError(f'--layer wants NAME, NAME:INDEX, NAME:in or NAME:in:INDEX, got {layer}')
        self._index = int(index[0]) if index else None
        self._kept: list[Tensor] = []
        module = find_module(model, name)
        if given:
            module.register_forward_pre_hook(
                lambda module, args, named: self._keep((*args, *named.values())), with_kwargs=True
            )
        else:
            module.register_forward_hook(lambda module, args, returned: self._keep(returned))

    def _keep(self, maps: Any) -> None:
        while isinstance(maps, (tuple, list)) and len(maps) == 1:
            maps = maps[0]
        if isinstance(maps, (tuple, list)):
            shapes = ', '.join(f'{i}: {describe(one)}' for i, one in enumerate(maps))
            if self._index is None:
                raise ValueError(f'--layer {self.layer} has several maps ({shapes}): say which, {self.layer}:INDEX')
            if self._index >= len(maps):
                raise ValueError(f'--layer {self.layer} has no map of that number; there are {shapes}')
            maps = maps[self._index]
        elif self._index:
            raise ValueError(f'--layer {self.layer} has no map of that number; there is one, {describe(maps)}')
        if not isinstance(maps, Tensor) or maps.ndim != 4:
            raise ValueError(f'--layer {self.layer} is {describe(maps)}; wanted a feature map [B, C, h, w]')
        self._kept.append(maps.detach().clone())  # a later layer may write into it

    def take(self) -> Tensor:
        """The map [B, C, h, w] of the run since the last call."""
        kept, self._kept = self._kept, []
        if len(kept) != 1:
            raise ValueError(
                f'--layer {self.layer} must run once a batch, it ran {len(kept)} times (mmseg calls a '
                "decode head's methods, not the module): name a layer inside it, or before it"
            )
        return kept[0]


def describe(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def find_module(model: nn.Module, name: str) -> nn.Module:
    """The module of this name.

    Raises:
        ValueError: there is none; lists what there is under the part of the name that is right.
    """
    module, path = model, []
    for part in name.split('.'):
        children = dict(module.named_children())
        if part not in children:
            place = f'under {".".join(path)}' if path else 'in the model'
            known = ['.'.join([*path, child]) for child in children]
            raise ValueError(f'--layer: the model has no layer {name}; {place} there is {", ".join(known) or "none"}')
        module = children[part]
        path.append(part)
    return module


def label_of(sample: Any, size: list[int] | None, ignore_index: int) -> Tensor:
    """Class numbers [H, W] over all that the network saw.

    Where the network's input was padded, the label is continued in proportion, to be ignored, so that it spans what a
    feature map spans.
    """
    if 'gt_sem_seg' not in sample:
        raise ValueError(
            'the pipeline must load labels (LoadAnnotations before PackSegInputs): its samples have no gt_sem_seg'
        )
    label = sample.gt_sem_seg.data[0].long()
    if size:
        label = F.interpolate(label[None, None].double(), size, mode='nearest')[0, 0].long()
    left, right, top, bottom = sample.metainfo.get('img_padding_size') or (0, 0, 0, 0)
    if not any((left, right, top, bottom)):
        return label
    height, width = sample.metainfo['pad_shape'][:2]
    down, across = label.shape[0] / (height - top - bottom), label.shape[1] / (width - left - right)
    widths = [round(side * ratio) for side, ratio in ((left, across), (right, across), (top, down), (bottom, down))]
    return F.pad(label, widths, value=ignore_index)


Measured = dict[tuple[str, str], FeatureSimilarity]  # (layer, region) -> its measures


def measure(config: str, checkpoint: str, args: Namespace) -> tuple[Measured, list[str]]:
    """What was measured of one model, and the names of the classes."""
    cfg: Config = load_config(Namespace(config=config, launcher='none', local_rank=0, cfg_options=None, work_dir=None))
    check_data(cfg, f'{args.split}_dataloader')
    DefaultScope._instance_dict.clear()
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    if (cfg.model.get('test_cfg') or {}).get('mode') == 'slide':
        cfg.model.test_cfg.mode = 'whole'
    model = MODELS.build(cfg.model).eval()
    load_strictly(model, read_checkpoint(checkpoint), checkpoint)
    probes = [Probe(model, layer) for layer in args.layer]
    model.to(args.device)
    loader = Runner.build_dataloader(cfg[f'{args.split}_dataloader'])
    classes = list(loader.dataset.metainfo['classes'])
    ignore_index = getattr(loader.dataset, 'ignore_index', 255)
    regions = {'whole image': 0, **({f'boundary band ({args.edge})': args.edge} if args.edge else {})}
    measured = {
        (layer, region): FeatureSimilarity(
            len(classes), edge_k=edge_k, inter=args.inter, interpolation=args.interpolation, ignore_index=ignore_index
        )
        for layer in args.layer
        for region, edge_k in regions.items()
    }
    left = min(len(loader.dataset), args.images or len(loader.dataset))
    for batch in loader:
        with torch.no_grad():
            samples = model.test_step(batch)[:left]
        labels = [label_of(sample, args.size, ignore_index) for sample in samples]
        for probe in probes:
            for feature, label in zip(probe.take(), labels):
                for region in regions:
                    measured[probe.layer, region].update(feature, label)
        left -= len(samples)
        if not left:
            break
    return measured, classes


def write(results: dict[str, tuple[Measured, list[str]]], out: Path) -> None:
    """One row for each model, layer and region over all classes, and one for each class."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, 'w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['model', 'layer', 'region', 'class', 'pixels', *METRICS])
        for title, (measured, classes) in results.items():
            for (layer, region), similarity in measured.items():
                rows = {'all': similarity.compute()}
                columns = similarity.per_class()
                rows |= {
                    name: {key: values[i].item() for key, values in columns.items()} for i, name in enumerate(classes)
                }
                for name, row in rows.items():
                    numbers = [f'{row[metric]:.6f}' if metric in row else '' for metric in METRICS]
                    table.writerow([title, layer, region, name, int(row['pixels']), *numbers])


def markdown(results: dict[str, tuple[Measured, list[str]]]) -> str:
    head = ['model', 'layer', 'region', *METRICS]
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for title, (measured, _) in results.items():
        for place, similarity in measured.items():
            values = similarity.compute()
            lines.append('| ' + ' | '.join([title, *place, *(f'{values[metric]:.3f}' for metric in METRICS)]) + ' |')
    return '\n'.join(lines)


def main() -> None:
    args = parser().parse_args()
    warnings.filterwarnings('ignore', 'When align_corners=True')  # mmseg says so of every network that does
    with plain_errors(args.traceback, while_building=True):
        if args.images is not None and args.images < 1 or min(args.size or [1]) < 1:
            raise ValueError(f'--images and --size want positive numbers, got {args.images} and {args.size}')
        titles = args.title + [Path(config).stem for config, _ in args.model[len(args.title) :]]
        if len(set(titles)) < len(titles):
            raise ValueError(f'each model needs a name of its own, got {", ".join(titles)}: give each a --title')
        results = {title: measure(*pair, args) for title, pair in zip(titles, args.model)}
        write(results, Path(args.out))
    print(f'{markdown(results)}\n\nwritten, with every class: {args.out}')


if __name__ == '__main__':
    main()
