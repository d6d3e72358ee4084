"""Write a segmentor, a depth estimator or a detector as ONNX.

Input [N, C, H, W] is the image as the network sees it, normalised; output the logits [N, classes, H, W], with --labels
the class numbers [N, H, W] as a test has them, or the depths [N, 1, H, W]; of a detector the maps that its boxes are
decoded from. Batch and size are free, unless --fixed. See
projects/deployment/README.md.
"""

import sys
from argparse import ArgumentParser, Namespace

from .arguments import add_common, add_config
from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `export` takes."""
    add_config(parser)
    parser.add_argument('--weights', help='a checkpoint of it; without, the weights are random')
    parser.add_argument('--out', required=True, help='the file to write')
    parser.add_argument('--opset', type=int, help='16 to 20, 17 unless given; with --dynamo 18 to 20')
    parser.add_argument('--dynamo', action='store_true', help="use torch's newer exporter: many times slower")
    parser.add_argument('--size', type=int, nargs=2, default=(224, 352), metavar=('H', 'W'), help='of the example')
    parser.add_argument('--fixed', action='store_true', help='take images of the size of the example alone')
    parser.add_argument('--labels', action='store_true', help='give class numbers instead of logits')
    add_common(parser)


def run(args: Namespace) -> None:
    """Exports."""
    import torch

    from ..apis.channels import input_channels
    from ..apis.export import export, exportable, slides
    from ..apis.model import init_model
    from ..apis.outputs import check_out

    opset = (18 if args.dynamo else 17) if args.opset is None else args.opset
    with building():
        model = exportable(init_model(args.config, args.weights, args.device or 'cpu', args.cfg_options), args.labels)
        channels = input_channels(model.model)
        out = check_out(args.out, args.weights)
        example = torch.randn(1, channels, *args.size, device=next(model.parameters()).device)
        try:
            with torch.no_grad():
                model(example)
        except RuntimeError as error:
            raise ValueError(
                f'the network does not take an image of --size {args.size[0]} {args.size[1]}: {error}'
            ) from error
    with building(ValueError, ModuleNotFoundError, torch.onnx.errors.OnnxExporterError):
        export(model, (example,), out, opset, not args.fixed, ['image'], model.output_names, args.dynamo)
    print(f'{args.out}: opset {opset}, {channels} channels, {out.stat().st_size / 2**20:.1f} MiB')
    if slides(model.model):
        print(
            'note: a test of this config slides a window over the image; the exported network takes one window, so '
            'slide and average outside it for the same numbers',
            file=sys.stderr,
        )
