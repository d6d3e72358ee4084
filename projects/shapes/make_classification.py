"""Cut the things of Shapes out: python projects/shapes/make_classification.py [data/shapes-classification]."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from make_shapes import SPLITS
from make_shapes import VERSION as SHAPES_VERSION
from shapes_dataset.classes import THINGS
from shapes_dataset.folder import make_folder

from freqfusion_mm.datasets.manifest import DatasetError, check_dataset, read_manifest, write_manifest

VERSION = 'shapes-classification-1'  # a change that changes any file changes this


def parse_args(argv: list | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Cut every thing out of the images of Shapes, one picture a thing, one folder a class.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('root', nargs='?', default='data/shapes-classification', help='folder to write')
    parser.add_argument('--source', default='data/shapes', help='a folder that make_shapes.py wrote')
    parser.add_argument('--size', type=int, default=48, help='of a picture, in pixels')
    parser.add_argument('--margin', type=float, default=0.1, help="around a thing's box, as a share of its longer side")
    parser.add_argument('--overwrite', action='store_true', help='replace an older folder of such pictures')
    args = parser.parse_args(argv)
    if args.size < 8 or not 0 <= args.margin <= 1:
        parser.error(f'--size must be at least 8 and --margin between 0 and 1, got {args.size} and {args.margin}')
    return args


def cut_out(image: np.ndarray, box: list[int], size: int, margin: float) -> np.ndarray:
    """The square around a box, moved to lie inside the image, resized to `size` pixels.

    A square larger than the image takes the image's shorter side.

    Args:
        image: uint8 [H, W, 3].
        box: x, y, width and height of a thing, in pixels.
        size, margin: see `parse_args`.
    """
    x, y, width, height = box
    side = min(round(max(width, height) * (1 + 2 * margin)), *image.shape[:2])
    left = np.clip(x + (width - side) // 2, 0, image.shape[1] - side)
    top = np.clip(y + (height - side) // 2, 0, image.shape[0] - side)
    square = image[top : top + side, left : left + side]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


def write_pictures(source: Path, size: int, margin: float, arguments: dict, root: Path) -> dict:
    """Write all pictures into the empty folder `root`; returns its manifest."""
    for split in SPLITS:
        coco = json.loads((source / 'annotations' / f'instances_{split}.json').read_text())
        names = {image['id']: image['file_name'] for image in coco['images']}
        images = {number: cv2.imread(str(source / 'images' / split / name)) for number, name in names.items()}
        for name in THINGS:
            (root / split / name).mkdir(parents=True)
        for thing in coco['annotations']:
            picture = cut_out(images[thing['image_id']], thing['bbox'], size, margin)
            path = root / split / THINGS[thing['category_id'] - 1] / f'{thing["id"]:06d}.png'
            path.write_bytes(cv2.imencode('.png', picture)[1].tobytes())
    return write_manifest(
        root, VERSION, arguments, facts=dict(classes=THINGS, numpy=np.__version__, opencv=cv2.__version__)
    )


def make_classification(args: argparse.Namespace) -> str:
    """Write the folder that `args` ask for unless it is there; returns a line to print."""
    source = Path(args.source)
    check_dataset(
        source, version=SHAPES_VERSION, remedy=f'Write it with: python projects/shapes/make_shapes.py {source}'
    )
    options = dict(size=args.size, margin=args.margin)
    arguments = dict(options, source=read_manifest(source)['arguments'])
    return make_folder(
        Path(args.root),
        VERSION,
        arguments,
        args.overwrite,
        partial(write_pictures, source, *options.values(), arguments),
    )


def main(argv: list | None = None) -> int:
    args = parse_args(argv)
    try:
        print(make_classification(args))
    except (DatasetError, OSError) as error:
        print(f'make_classification: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
