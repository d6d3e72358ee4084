"""Denoise Shapes, and compare ways to pool and to unpool: python projects/unpooling/denoise.py."""

import argparse
import sys
from pathlib import Path
from statistics import mean
from time import process_time

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from freqfusion_mm.apis.studies.raw_values import RawValues
from freqfusion_mm.datasets.manifest import DatasetError, check_dataset
from freqfusion_mm.evaluation.analysis.seed_statistics import Sample, compare
from freqfusion_mm.layers import build_pool, build_unpool, split

#: Row of the table -> pooling and unpooling. All else is equal.
ROWS = {
    'max, bilinear': (dict(type='max'), dict(type='interpolate', mode='bilinear')),
    'max, max-unpool': (dict(type='max'), dict(type='max_unpool')),
    'LiftDown, bilinear': (dict(type='lift'), dict(type='interpolate', mode='bilinear')),
    'LiftDown, LiftUp': (dict(type='lift'), dict(type='lift')),
    'LiftDown, LiftUp tied': (dict(type='lift'), dict(type='lift', tied=True)),
}
BASELINE = 'max, bilinear'
CROP, BATCH = 48, 8


class EncoderDecoder(nn.Module):
    """Two poolings, two unpoolings, no skip connection: what the encoder saw finely reaches the decoder only through
    what the pooling hands to the unpooling.

    Args:
        pool_cfg, unpool_cfg: see `freqfusion_mm.layers.build_pool`.
        widths: channels before each pooling; at the bottom there are as many as before the last.
    """

    def __init__(self, pool_cfg: dict, unpool_cfg: dict, widths: tuple[int, ...] = (16, 32)) -> None:
        super().__init__()
        self.encoder, self.pools, self.decoder, self.unpools = (nn.ModuleList() for _ in range(4))
        for before, width in zip((3, *widths), widths):
            self.encoder.append(_conv(before, width))
            self.pools.append(build_pool(pool_cfg, width))
            self.unpools.append(build_unpool(unpool_cfg, width, width, self.pools[-1]))
            self.decoder.append(_conv(width, 3 if before == 3 else before, last=before == 3))
        self.bottom = _conv(widths[-1], widths[-1])

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 3, H, W]."""
        feat, memories = image, []
        for conv, pool in zip(self.encoder, self.pools):
            feat, memory = split(pool, conv(feat))
            memories.append(memory)
        feat = self.bottom(feat)
        for conv, unpool, memory in reversed(list(zip(self.decoder, self.unpools, memories))):
            feat = conv(unpool(feat, memory))
        return feat


def _conv(in_channels: int, out_channels: int, last: bool = False) -> nn.Sequential:
    """Two convolutions, each with BatchNorm and ReLU; the network's last is plain."""
    middle = in_channels if last else out_channels
    layers = [
        nn.Conv2d(in_channels, middle, 3, padding=1, bias=False),
        nn.BatchNorm2d(middle),
        nn.ReLU(),
        nn.Conv2d(middle, out_channels, 3, padding=1, bias=last),
    ]
    return nn.Sequential(*layers, *([] if last else [nn.BatchNorm2d(out_channels), nn.ReLU()]))


def load(root: str, split_name: str) -> Tensor:
    """All images of a split, RGB [N, 3, H, W] in 0..1."""
    check_dataset(root, [f'images/{split_name}'], remedy=f'Write it with: python projects/shapes/make_shapes.py {root}')
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted(Path(root, 'images', split_name).glob('*.png'))]
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).float() / 255


def add_noise(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    return images + sigma * torch.randn(images.shape, generator=generator)


def train(model: nn.Module, images: Tensor, sigma: float, iterations: int, seed: int) -> None:
    """Adam on the mean square error of random crops; the same crops and the same noise for every row of a seed."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=iterations)
    height, width = images.shape[-2:]
    for _ in range(iterations):
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        top = int(torch.randint(height - CROP + 1, (), generator=generator))
        left = int(torch.randint(width - CROP + 1, (), generator=generator))
        clean = images[chosen, :, top : top + CROP, left : left + CROP]
        loss = F.mse_loss(model(add_noise(clean, sigma, generator)), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def score(outputs: Tensor, images: Tensor) -> dict[str, float]:
    """PSNR (dB) and SSIM, each the mean over the images."""
    outputs = outputs.clamp(0, 1)
    psnr = peak_signal_noise_ratio(outputs, images, data_range=1.0, dim=(1, 2, 3), reduction='elementwise_mean')
    return dict(psnr=float(psnr), ssim=float(structural_similarity_index_measure(outputs, images, data_range=1.0)))


def table(noisy: dict[str, float], runs: dict[str, dict[int, dict]]) -> str:
    """Row -> seed -> its values: means with their 95 % t intervals, and the PSNR against the baseline, seed by seed."""
    head = ['pooling, unpooling', 'parameters', 'PSNR (dB)', f'better than {BASELINE} by', 'seeds better', 'SSIM']
    lines = [[*head, 'seconds a run'], ['---'] * 7]
    lines.append(['(the noisy image)', '', f'{noisy["psnr"]:.2f}', '', '', f'{noisy["ssim"]:.3f}', ''])
    psnr = {row: {seed: run['psnr'] for seed, run in found.items()} for row, found in runs.items()}
    for row, found in runs.items():
        against = compare(psnr[row], psnr[BASELINE], higher_is_better=True)
        low, high = against.difference.interval or (None, None)
        told = low is not None and row != BASELINE
        lines.append(
            [
                row,
                str(next(iter(found.values()))['parameters']),
                Sample(tuple(psnr[row].values())).text(2),
                f'{against.difference.mean:+.2f} [{low:+.2f}, {high:+.2f}]' if told else '',
                f'{against.wins} of {len(found)}' if told else '',
                Sample(tuple(run['ssim'] for run in found.values())).text(3),
                f'{mean(run["seconds"] for run in found.values()):.0f}',
            ]
        )
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in lines)


def draw(pictures: dict[str, Tensor], out: Path, rows: int = 3, size: int = 64) -> None:
    """The middles of the first images, one a row; a column for each entry."""
    figure = Figure(figsize=(1.7 * len(pictures), 1.75 * rows + 0.2), layout='constrained')
    axes = figure.subplots(rows, len(pictures), squeeze=False)
    for column, (title, images) in zip(axes.T, pictures.items()):
        column[0].set_title(title.replace(', ', ',\n'), fontsize=9)
        for axis, image in zip(column, images):
            top, left = (max(0, side - size) // 2 for side in image.shape[1:])
            middle = image[:, top : top + size, left : left + size].clamp(0, 1)
            axis.imshow(middle.permute(1, 2, 0).numpy(), interpolation='nearest')
            axis.axis('off')
    figure.savefig(out, dpi=110)


def measure(args: argparse.Namespace) -> str:
    """Train and score every row with every seed; writes the picture and the values, and returns the table."""
    images, held_out = load(args.data, 'train'), load(args.data, 'val')
    noisy = add_noise(held_out, args.sigma, torch.Generator().manual_seed(0))
    runs, pictures = {row: {} for row in ROWS}, {'clean': held_out[:3], 'noisy': noisy[:3]}
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    key = ('name', 'sigma', 'iterations', 'seed')
    values = RawValues(out / 'results.csv', key, key)
    for seed in args.seeds:
        for row, cfgs in ROWS.items():
            torch.manual_seed(seed)
            model = EncoderDecoder(*cfgs)
            began = process_time()
            train(model, images, args.sigma, args.iterations, seed)
            seconds = process_time() - began
            model.eval()
            with torch.no_grad():
                outputs = torch.cat([model(part) for part in noisy.split(25)])
            run = dict(
                parameters=sum(weight.numel() for weight in model.parameters()),
                seconds=round(seconds, 1),
                **score(outputs, held_out),
            )
            print(f'seed {seed}, {row}: {run["psnr"]:.2f} dB, SSIM {run["ssim"]:.3f}, {seconds:.0f} s', flush=True)
            values.add(dict(run, name=row, sigma=args.sigma, iterations=args.iterations, seed=seed))
            runs[row][seed] = run
            if seed == args.seeds[0]:
                pictures[row] = outputs[:3]
    draw(pictures, out / 'denoised.png')
    return table(score(noisy, held_out), runs)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.split(':')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--data', default='data/shapes', help='a folder that make_shapes.py wrote')
    parser.add_argument('--sigma', type=float, default=0.2, help='of the Gaussian noise; images are 0..1')
    parser.add_argument('--iterations', type=int, default=300)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2, 3, 4])
    parser.add_argument('--out', default='work_dirs/unpooling', help='folder for denoised.png and results.csv')
    args = parser.parse_args(argv)
    if args.sigma < 0 or args.iterations < 1:
        parser.error(f'--sigma must not be negative and --iterations positive, got {args.sigma} and {args.iterations}')
    try:
        print(measure(args))
    except (DatasetError, OSError) as error:
        print(f'denoise: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
