#!/usr/bin/env python
"""Draws what every upsampler makes of one feature map: python tools/compare_upsamplers.py IMAGE [--out PICTURE]

A feature map of the image (soft colour and texture clusters, or --features) is averaged down by each ratio. Each
upsampler of the package is fitted for a few steps to bring back the fine map, guided by the image where it takes a
guide, and drawn: in one direct step, and by repeated steps of x2. Colours are the first three principal components of
the fine map. Rows are upsamplers, columns are ratios; the number in a cell is the error of the reconstruction relative
to the map's variance.
"""

from argparse import ArgumentParser
from inspect import signature
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freqfusion_mm.layers import UPSAMPLERS, build_fusion

CLUSTERS = 16
GAP, TITLE, LABEL = 6, 20, 110


def parser() -> ArgumentParser:
    parser = ArgumentParser(description='Draw every upsampler on one feature map, side by side.')
    parser.add_argument('image', help='any picture that OpenCV reads')
    parser.add_argument('--out', default='upsamplers.png', help='the picture to write')
    parser.add_argument('--features', help='a fine map [C, H, W] of the image, saved by torch.save; C divides by 4')
    parser.add_argument('--ratios', type=int, nargs='+', default=[2, 4, 8, 16], help='powers of 2')
    parser.add_argument('--size', type=int, default=256, help='side of the square that is cut from the image')
    parser.add_argument('--steps', type=int, default=300, help='of the fit; 0 draws the upsamplers as they start')
    parser.add_argument(
        '--only',
        nargs='+',
        choices=list(UPSAMPLERS),
        default=list(UPSAMPLERS),
        metavar='NAME',
        help='upsamplers to draw',
    )
    parser.add_argument('--seed', type=int, default=0)
    return parser


def read_image(path: str, size: int) -> Tensor:
    """The middle square of a picture, RGB in [0, 1], [1, 3, size, size]."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f'{path}: no picture that OpenCV can read')
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture = cv2.resize(
        picture[top : top + side, left : left + side, ::-1], (size, size), interpolation=cv2.INTER_AREA
    )
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None] / 255


def cluster_map(image: Tensor, clusters: int = CLUSTERS, rounds: int = 15) -> Tensor:
    """Soft memberships of every pixel in k-means clusters of its colour and texture, [1, clusters, H, W]."""
    grey = image.mean(dim=1, keepdim=True)
    edges = F.pad(grey, (1, 1, 1, 1), mode='replicate')
    texture = (edges[..., 2:, 1:-1] - edges[..., :-2, 1:-1]).abs()
    texture = texture + (edges[..., 1:-1, 2:] - edges[..., 1:-1, :-2]).abs()
    near, far = max(1, image.shape[-1] // 64), max(1, image.shape[-1] // 32)
    parts = [
        F.avg_pool2d(image, 2 * near + 1, 1, near, count_include_pad=False),
        F.avg_pool2d(texture, 2 * far + 1, 1, far, count_include_pad=False),
    ]
    points = torch.cat(parts, dim=1)[0].flatten(1).t()  # [H * W, 4]
    points = (points - points.mean(dim=0)) / (points.std(dim=0) + 1e-6)
    centres = points[torch.randperm(len(points))[:clusters]]
    for _ in range(rounds):
        nearest = torch.cdist(points, centres).argmin(dim=1)
        members = F.one_hot(nearest, clusters).to(points.dtype)
        centres = members.t() @ points / members.sum(dim=0).clamp(min=1)[:, None]
    soft = (-4 * torch.cdist(points, centres)).softmax(dim=1)
    return soft.t().reshape(1, clusters, *image.shape[-2:])


class Way(nn.Module):
    """One upsampler at one ratio, in one step or in steps of x2."""

    def __init__(self, name: str, channels: int, ratio: int, direct: bool) -> None:
        super().__init__()
        options = {}
        if direct and 'scale_factor' in signature(UPSAMPLERS[name]).parameters and not UPSAMPLERS[name].direct:
            options = dict(scale_factor=ratio)
            if name == 'deconv':
                options['kernel_size'] = 2 * ratio
        if name == 'FADE':
            options['gated'] = False  # the image is no map that could be mixed in
        self.fusion = build_fusion(dict(type=name, **options), channels, 3)
        self.ratios = [1] if direct else [2**k for k in reversed(range(ratio.bit_length() - 1))]

    def forward(self, lr_feat: Tensor, image: Tensor) -> Tensor:
        for ratio in self.ratios:
            lr_feat, _ = self.fusion(lr_feat, F.avg_pool2d(image, ratio))
        return lr_feat


def reaches_directly(name: str) -> bool:
    return UPSAMPLERS[name].direct or 'scale_factor' in signature(UPSAMPLERS[name]).parameters


def fit(way: Way, fine: Tensor, image: Tensor, ratio: int, steps: int) -> None:
    """On random crops of the one picture."""
    parameters = list(way.parameters())
    if not parameters:
        return
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    crop = min(max(64, 4 * ratio), *fine.shape[-2:])
    for _ in range(steps):
        top, left = (ratio * int(torch.randint((size - crop) // ratio + 1, ())) for size in fine.shape[-2:])
        window = (..., slice(top, top + crop), slice(left, left + crop))
        target = fine[window]
        loss = F.mse_loss(way(F.avg_pool2d(target, ratio), image[window]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class Palette:
    """The first three principal components of a map as colours, the same for every cell."""

    def __init__(self, fine: Tensor) -> None:
        points = fine[0].flatten(1).t()
        self.mean = points.mean(dim=0)
        self.axes = torch.linalg.eigh(torch.cov((points - self.mean).t()))[1][:, -3:].flip(1)
        shades = (points - self.mean) @ self.axes
        self.low, self.high = (shades.quantile(q, dim=0) for q in (0.02, 0.98))

    def draw(self, features: Tensor) -> np.ndarray:
        """[1, C, h, w] to a BGR picture."""
        shades = (features[0].permute(1, 2, 0) - self.mean) @ self.axes
        shades = ((shades - self.low) / (self.high - self.low)).clamp(0, 1)
        return (255 * shades).round().byte().numpy()[..., ::-1]


def write(picture: np.ndarray, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)


def compare(image: Tensor, fine: Tensor, names: list[str], ratios: list[int], steps: int) -> np.ndarray:
    """The picture: a row of inputs, then a row an upsampler; two columns a ratio."""
    palette, side = Palette(fine), image.shape[-1]
    columns = [(ratio, direct) for ratio in ratios for direct in (True, False) if direct or ratio > 2]
    rows = len(names) + 1
    sheet = np.full((TITLE + rows * (side + TITLE + GAP), LABEL + (len(columns) + 1) * (side + GAP), 3), 255, np.uint8)

    def put(row: int, column: int, cell: np.ndarray | None, text: str) -> None:
        y, x = TITLE + row * (side + TITLE + GAP), LABEL + column * (side + GAP)
        write(sheet, text, x, y + TITLE - 6)
        if cell is not None:
            sheet[y + TITLE : y + TITLE + side, x : x + side] = cell

    write(sheet, 'input', 4, 2 * TITLE + side // 2)
    put(0, 0, (255 * image[0].permute(1, 2, 0)).round().byte().numpy()[..., ::-1], 'image')
    for column, (ratio, direct) in enumerate(columns, start=1):
        coarse = palette.draw(F.avg_pool2d(fine, ratio))
        put(
            0,
            column,
            np.kron(coarse, np.ones((ratio, ratio, 1), np.uint8)),
            f'/ {ratio}: {"one step" if direct else "steps of 2"}',
        )
    for row, name in enumerate(names, start=1):
        write(sheet, name, 4, TITLE + row * (side + TITLE + GAP) + TITLE + side // 2)
        if row == 1:
            put(row, 0, palette.draw(fine), 'fine map')
        for column, (ratio, direct) in enumerate(columns, start=1):
            if direct and ratio > 2 and not reaches_directly(name):
                put(row, column, None, 'no direct step')
                continue
            torch.manual_seed(0)
            way = Way(name, fine.shape[1], ratio, direct and reaches_directly(name))
            fit(way, fine, image, ratio, steps)
            with torch.no_grad():
                out = way(F.avg_pool2d(fine, ratio), image)
            error = float((out - fine).square().mean() / fine.var(dim=(-2, -1)).mean())
            put(row, column, palette.draw(out), f'x{ratio}  {error:.3f}')
            print(f'{name:>14}  x{ratio:<3} {"one step   " if direct else "steps of x2"}  {error:.3f}', flush=True)
    return sheet


def main() -> None:
    args = parser().parse_args()
    if any(ratio < 2 or ratio & (ratio - 1) for ratio in args.ratios) or args.size % max(args.ratios):
        raise SystemExit(f'--ratios wants powers of 2 that divide --size, got {args.ratios} and {args.size}')
    torch.manual_seed(args.seed)
    image = read_image(args.image, args.size)
    if args.features:
        fine = torch.load(args.features, weights_only=True)[None].float()
        fine = F.interpolate(fine, image.shape[-2:], mode='bilinear', align_corners=False)
    else:
        fine = cluster_map(image)
    sheet = compare(image, fine, args.only, args.ratios, args.steps)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(args.out, sheet)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
