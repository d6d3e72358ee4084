#!/usr/bin/env python
"""Segments images: python tools/infer.py IMAGE_OR_FOLDER... --model CONFIG --weights FILE --out DIR

For each image it writes NAME_labels.png (class numbers, at the size that the network sees) and NAME_overlay.png
(colours over the image, with a legend), and prints the shares of the classes. The weights may be ours or the author's.
"""

import time
import warnings
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import ProgressBar
from PIL import Image, ImageDraw, ImageFont

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
from freqfusion_mm.apis.dataset_meta import dataset_meta
from freqfusion_mm.apis.launch import load_config, plain_errors
from freqfusion_mm.apis.reference_checkpoint import with_our_paths

# mmseg says so of every network that aligns corners, as the author's do
warnings.filterwarnings('ignore', 'When align_corners=True')
IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


def parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('images', nargs='+', help='images, or folders of them')
    parser.add_argument('--model', required=True, help='a config of semantic segmentation, or the name of one of ours')
    parser.add_argument('--weights', required=True, help="a checkpoint of it, or the author's file")
    parser.add_argument('--out', required=True, help='the folder to write into')
    parser.add_argument('--opacity', type=float, default=0.5, help='of the colours over the image, 0 to 1')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')
    return parser


def find_images(arguments: list[str]) -> list[Path]:
    """The files that the arguments name, folders one level deep."""
    files = []
    for argument in map(Path, arguments):
        if argument.is_dir():
            found = sorted(file for file in argument.iterdir() if file.suffix.lower() in IMAGES)
            if not found:
                raise FileNotFoundError(f'the folder {argument} holds no images ({", ".join(IMAGES)})')
            files += found
        elif argument.is_file():
            files.append(argument)
        else:
            raise FileNotFoundError(f'there is no image or folder {argument}')
    repeated = sorted({file.stem for file in files if sum(file.stem == other.stem for other in files) > 1})
    if repeated:
        raise ValueError(f'several images are called {", ".join(repeated)}; their results would share a file name')
    return files


class Segmenter:
    """A model with the test pipeline and the classes of its config."""

    def __init__(self, config: str, weights: str, device: str) -> None:
        cfg: Config = load_config(
            Namespace(config=config, launcher='none', local_rank=0, cfg_options=None, work_dir=None)
        )
        if cfg.get('default_scope') != 'mmseg':
            raise ValueError(f'{config} is no config of semantic segmentation (default_scope mmseg)')
        init_default_scope('mmseg')
        checkpoint = read_checkpoint(weights)
        self.model = MODELS.build(cfg.model).to(device).eval()
        load_strictly(self.model, dict(state_dict=with_our_paths(checkpoint.get('state_dict', checkpoint))), weights)
        self.pipeline = Compose(
            [
                step
                for step in cfg.test_dataloader.dataset.pipeline
                if step.type not in ('LoadAnnotations', 'LabelIgnored')
            ]
        )
        self.meta = (checkpoint.get('meta') or {}).get('dataset_meta') or dataset_meta(cfg)

    @torch.no_grad()
    def __call__(self, image: Path) -> tuple[np.ndarray, float]:
        """Class numbers [H, W] at the network's size, and the seconds that the network took."""
        data = self.pipeline(dict(img_path=str(image), img_id=image.stem, reduce_zero_label=False, seg_fields=[]))
        data = self.model.data_preprocessor(pseudo_collate([data]), False)
        metas = [sample.metainfo for sample in data['data_samples']]
        start = time.perf_counter()
        logits = self.model.inference(data['inputs'], metas)
        if logits.is_cuda:
            torch.cuda.synchronize(logits.device)
        seconds = time.perf_counter() - start
        return logits[0].argmax(0).to(torch.uint8).cpu().numpy(), seconds


def overlay(image: Image.Image, labels: np.ndarray, meta: dict, opacity: float) -> Image.Image:
    """The image under the classes' colours, and below it a legend of the classes that occur, with their shares."""
    palette = np.array(meta['palette'], np.uint8)
    colours = Image.fromarray(palette[labels]).resize(image.size, Image.Resampling.NEAREST)
    picture = Image.blend(image, colours, opacity)
    entries = shares(labels, meta)
    unit = max(12, picture.width // 80)  # the height of the letters
    columns = max(1, picture.width // (14 * unit))
    legend = Image.new('RGB', (picture.width, 2 * unit * -(-len(entries) // columns) + unit // 2), 'white')
    draw, font = ImageDraw.Draw(legend), ImageFont.load_default(unit)
    for i, (number, share) in enumerate(entries):
        x, y = 14 * unit * (i % columns) + unit // 2, 2 * unit * (i // columns) + unit // 2
        draw.rectangle((x, y, x + unit, y + unit), fill=tuple(map(int, palette[number])), outline='black')
        draw.text(
            (x + 3 * unit // 2, y - unit // 8),
            f'{meta["classes"][number]} {100 * share:.1f} %',
            fill='black',
            font=font,
        )
    whole = Image.new('RGB', (picture.width, picture.height + legend.height))
    whole.paste(picture, (0, 0))
    whole.paste(legend, (0, picture.height))
    return whole


def shares(labels: np.ndarray, meta: dict) -> list[tuple[int, float]]:
    """(class, share of the pixels), largest first; only those that occur."""
    counts = np.bincount(labels.ravel(), minlength=len(meta['classes']))
    return [(int(i), counts[i] / labels.size) for i in np.argsort(-counts, kind='stable') if counts[i]]


def main() -> None:
    args = parser().parse_args()
    with plain_errors(args.traceback, while_building=True):
        if not 0 <= args.opacity <= 1:
            raise ValueError(f'--opacity wants a number from 0 to 1, got {args.opacity}')
        files = find_images(args.images)
        segmenter = Segmenter(args.model, args.weights, args.device)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    lines, seconds = [], []
    progress = ProgressBar(len(files))
    with plain_errors(args.traceback, while_building=True):
        for file in files:
            with Image.open(file) as opened:
                image = opened.convert('RGB')
            labels, taken = segmenter(file)
            Image.fromarray(labels).save(out / f'{file.stem}_labels.png')
            overlay(image, labels, segmenter.meta, args.opacity).save(out / f'{file.stem}_overlay.png')
            seconds.append(taken)
            lines.append(
                f'{file.name}: '
                + ', '.join(
                    f'{segmenter.meta["classes"][number]} {100 * share:.1f} %'
                    for number, share in shares(labels, segmenter.meta)
                )
            )
            progress.update()
    print('\n' + '\n'.join(lines))
    print(
        f'{len(files)} images in {out}; network {1000 * float(np.median(seconds)):.0f} ms an image (median) at '
        f'{labels.shape[1]}x{labels.shape[0]} on {args.device}'
    )


if __name__ == '__main__':
    main()
