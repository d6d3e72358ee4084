"""Draw what every upsampler makes of one feature map.

A feature map of the image (soft colour and texture clusters, or --features) is averaged down by each ratio. Each
upsampler of the package is fitted for a few steps to bring back the fine map, guided by the image where it takes a
guide, and drawn: in one direct step, and by repeated steps of x2. Colours are the first three principal components of
the fine map. Rows are upsamplers, columns are ratios; the number in a cell is the error of the reconstruction relative
to the map's variance.
"""

from argparse import ArgumentParser, Namespace

from .arguments import add_traceback
from .errors import building


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `compare` takes."""
    from ..layers import UPSAMPLERS

    parser.add_argument('image', help='any picture that OpenCV reads')
    parser.add_argument('--out', default='upsamplers.png', help='the picture to write')
    parser.add_argument('--features', help='a fine map [C, H, W] of the image, saved by torch.save; C is 3 or more')
    parser.add_argument('--ratios', type=int, nargs='+', default=[2, 4, 8, 16], help='powers of 2')
    parser.add_argument('--size', type=int, default=256, help='side of the square that is cut from the image')
    parser.add_argument('--steps', type=int, default=300, help='of the fit; 0 draws the upsamplers as they start')
    parser.add_argument(
        '--only',
        nargs='+',
        default=list(UPSAMPLERS),
        metavar='NAME',
        help='upsamplers to draw, also your own by their import paths; default: every registered one',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the fits, and of the features made of the image')
    add_traceback(parser)


def run(args: Namespace) -> None:
    """Fits and draws."""
    from pickle import UnpicklingError

    import numpy as np
    import torch
    import torch.nn.functional as F

    from ..apis.outputs import check_picture_out, save_picture
    from ..apis.pixels import check_image
    from ..evaluation.analysis.upsampler_fit import cluster_map
    from ..layers import read_upsample_cfg
    from ..visualization.upsamplers import compare_upsamplers, read_image

    with building():
        powers = all(ratio > 1 and ratio & (ratio - 1) == 0 for ratio in args.ratios)
        if not powers or args.size < 1 or args.size % max(args.ratios):
            raise ValueError(f'--ratios wants powers of 2 that divide --size, got {args.ratios} and {args.size}')
        if args.steps < 0:
            raise ValueError(f'--steps wants 0 or more, got {args.steps}')
        for name in args.only:
            read_upsample_cfg(name)
        out = check_picture_out(args.out, args.image, args.features)
        torch.manual_seed(args.seed)
        check_image(args.image)
        image = read_image(args.image, args.size)
        if args.features:
            try:
                fine = torch.load(args.features, map_location='cpu', weights_only=True)
            except (UnpicklingError, RuntimeError, EOFError):
                fine = None
            if not isinstance(fine, torch.Tensor):
                raise ValueError(f'--features wants a tensor, saved by torch.save; {args.features} is none')
            fine = fine[None].float()
            if fine.ndim != 4 or fine.shape[1] < 3:
                raise ValueError(f'--features wants a map [C, H, W] of 3 channels or more, got {list(fine.shape[1:])}')
            fine = F.interpolate(fine, image.shape[-2:], mode='bilinear', align_corners=False)
        else:
            fine = cluster_map(image)
    sheet = compare_upsamplers(image, fine, args.only, args.ratios, args.steps, args.seed)
    save_picture(np.ascontiguousarray(sheet[..., ::-1]), out)
    print(f'wrote {args.out}')
