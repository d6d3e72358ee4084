#!/usr/bin/env python
"""Exports a semantic segmentor to ONNX: python tools/export_onnx.py CONFIG [--weights FILE] --out FILE.onnx

Input [N, 3, H, W] is the image as the network sees it, normalised; output the logits [N, classes, H, W], or with
--labels the class numbers [N, H, W]. Batch and size are free, unless --fixed. See projects/deployment/README.md.
"""

import contextlib
import copy
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor, nn

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
from freqfusion_mm.apis.launch import load_config, plain_errors
from freqfusion_mm.layers import ReSFU

OPSETS = range(16, 21)  # grid_sample is an operator from 16 on; torch's older exporter knows no opset above 20
DYNAMO_OPSETS = range(18, 21)  # the newer one writes 18; below, it converts, which fails for some operators


def export(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    file: str | Path,
    opset: int = 17,
    dynamic: bool = True,
    input_names: Sequence[str] = ('input',),
    output_names: Sequence[str] = ('output',),
    dynamo: bool = False,
) -> None:
    """Export a module for other sizes than those of its example inputs.

    Convention:
        Batch, height and width of every input are free with `dynamic`. Three things keep the value that they have for
        the example: the number of steps of a layer with a ratio of its own (FreqFusion, CARAFE, ...), the dilation of
        a ReSFU with `scale_factor=None`, and whatever the model itself decides in Python.

    Args:
        model: maps tensors to a tensor or a tuple of them. It is exported as in evaluation, and stays as it was.
        inputs: example maps [N, C, H, W]. Odd sizes that differ from each other are best.
        file: what to write.
        opset: 16 to 20, with `dynamo` 18 to 20.
        dynamic: off, the sizes of the example are the only ones.
        input_names, output_names: in the file.
        dynamo: use torch's newer exporter, which reads a graph of `torch.export` instead of tracing. It needs
            `onnxscript`, and for one FreqFusion most of a minute instead of two seconds.

    Raises:
        ValueError: an opset out of range.
    """
    opsets = DYNAMO_OPSETS if dynamo else OPSETS
    if opset not in opsets:
        raise ValueError(f'opset must be one of {opsets[0]} to {opsets[-1]}{" with dynamo" * dynamo}, got {opset}')
    model = copy.deepcopy(model).eval()
    fix_dilations(model, inputs)
    axes = {name: {0: 'n', 2: f'h_{name}', 3: f'w_{name}'} for name in input_names} if dynamic else {}
    if dynamo:
        options = dict(dynamo=True, dynamic_shapes=tuple(axes.values()) or None, external_data=False, verbose=False)
    else:
        options = dict(dynamic_axes=axes)
        if 'dynamo' in torch.onnx.export.__annotations__:
            options.update(dynamo=False)
    with symbolic_pooling(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it says of every check of sizes that it is done once, and that it is old
        torch.onnx.export(
            model,
            inputs,
            str(file),
            opset_version=opset,
            input_names=list(input_names),
            output_names=list(output_names),
            **options,
        )


def fix_dilations(model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """ReSFU derives dilations of convolutions from the sizes; in ONNX they are constants."""

    def fix(layer: ReSFU, args: tuple) -> None:
        layer.scale_factor = layer.dilation(*(feat.shape[-2:] for feat in args))

    layers = [layer for layer in model.modules() if isinstance(layer, ReSFU)]
    hooks = [layer.register_forward_pre_hook(fix) for layer in layers]
    if layers:
        with torch.no_grad():
            model(*inputs)
    for hook in hooks:
        hook.remove()


@contextlib.contextmanager
def symbolic_pooling() -> Iterator[None]:
    """Lets adaptive average pooling be exported for any sizes: as two matrix products, which average rows and columns."""

    def matrix(size: Tensor, out: Tensor | int, like: Tensor) -> Tensor:
        index = torch.arange(out, device=like.device)[:, None]
        first, last = index * size // out, ((index + 1) * size + out - 1) // out
        place = torch.arange(size, device=like.device)
        return ((place >= first) & (place < last)).to(like.dtype) / (last - first)

    def pool(x: Tensor, output_size) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            return original(x, output_size)
        output_size = (output_size, output_size) if isinstance(output_size, int) else output_size
        rows, cols = (matrix(size, size if out is None else out, x) for size, out in zip(x.shape[-2:], output_size))
        return rows @ x @ cols.transpose(0, 1)

    original, F.adaptive_avg_pool2d = F.adaptive_avg_pool2d, pool
    try:
        yield
    finally:
        F.adaptive_avg_pool2d = original


class Logits(nn.Module):
    """A segmentor of mmseg as a map from images to logits of their size, or to class numbers."""

    def __init__(self, segmentor: nn.Module, labels: bool = False) -> None:
        super().__init__()
        self.segmentor = segmentor
        self.labels = labels

    def forward(self, image: Tensor) -> Tensor:
        logits = self.segmentor(image, mode='tensor')
        logits = F.interpolate(
            logits, image.shape[-2:], mode='bilinear', align_corners=self.segmentor.decode_head.align_corners
        )
        return logits.argmax(dim=1) if self.labels else logits


def build_segmentor(config: str, weights: str | None = None) -> nn.Module:
    """The segmentor of a config of semantic segmentation."""
    cfg = load_config(Namespace(config=config, launcher='none', local_rank=0, cfg_options=None, work_dir=None))
    if cfg.get('default_scope') != 'mmseg':
        raise ValueError(f'{config} is no config of semantic segmentation (default_scope mmseg)')
    init_default_scope('mmseg')
    cfg.model.pop('pretrained', None)
    model = MODELS.build(cfg.model)
    if weights is not None:
        checkpoint = read_checkpoint(weights)
        load_strictly(model, dict(state_dict=checkpoint.get('state_dict', checkpoint)), weights)
    return model.eval()


def parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='a config of semantic segmentation, or the name of one of ours')
    parser.add_argument('--weights', help='a checkpoint of it; without, the weights are random')
    parser.add_argument('--out', required=True, help='the file to write')
    parser.add_argument('--opset', type=int, help='16 to 20, 17 unless given; with --dynamo 18 to 20')
    parser.add_argument('--dynamo', action='store_true', help="use torch's newer exporter: many times slower")
    parser.add_argument('--size', type=int, nargs=2, default=(224, 352), metavar=('H', 'W'), help='of the example')
    parser.add_argument('--fixed', action='store_true', help='take images of the size of the example alone')
    parser.add_argument('--labels', action='store_true', help='give class numbers instead of logits')
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')
    return parser


def main() -> None:
    args = parser().parse_args()
    opset = args.opset or (18 if args.dynamo else 17)
    with plain_errors(args.traceback, while_building=True):
        model = Logits(build_segmentor(args.config, args.weights), args.labels)
        example = torch.randn(1, 3, *args.size)
        export(
            model,
            (example,),
            args.out,
            opset,
            not args.fixed,
            ['image'],
            ['labels' if args.labels else 'logits'],
            args.dynamo,
        )
    print(f'{args.out}: opset {opset}, {Path(args.out).stat().st_size / 2**20:.1f} MiB')


if __name__ == '__main__':
    main()
