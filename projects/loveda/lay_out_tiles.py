"""Lay out a few LoveDA tiles for a quick trial: lay_out_tiles.py TILES OUT."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

NUM_VALUES = 8  # 0 = ignore, 1..7 = background, building, road, water, barren, forest, agriculture


def parse_args(argv: list | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Lay out a folder of tiles (img_*.png) and their annotations (ann_*.png) as '
        'mmseg wants LoveDA: OUT/{img_dir,ann_dir}/{train,val}.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('tiles', help='folder with the tiles')
    parser.add_argument('out', nargs='?', default='data/loveDA', help='folder to write')
    parser.add_argument(
        '--split',
        choices=('halves', 'tiles'),
        default='halves',
        help='halves: left half of each tile to train, right half to validate; '
        'tiles: the last tile to validate, the others to train',
    )
    parser.add_argument('--image-prefix', default='img_', help='of the tiles')
    parser.add_argument('--label-prefix', default='ann_', help='of the annotations')
    return parser.parse_args(argv)


def read_tiles(folder: Path, image_prefix: str, label_prefix: str) -> dict:
    """Map from a tile's name to (image [H, W, 3], annotation [H, W])."""
    tiles = {}
    for path in sorted(folder.glob(f'{image_prefix}*.png')):
        name = path.stem[len(image_prefix) :]
        label_path = folder / f'{label_prefix}{name}.png'
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        label = cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED) if label_path.exists() else None
        if image is None or label is None:
            broken = path if image is None else label_path
            raise ValueError(f"'{broken}' is missing or is not a picture")
        fits = label.dtype == np.uint8 and label.shape == image.shape[:2]
        if not fits or label.max() >= NUM_VALUES:
            raise ValueError(
                f"'{label_path}' wants uint8 {list(image.shape[:2])} with values 0 to "
                f'{NUM_VALUES - 1}, got {label.dtype} {list(label.shape)} with values up to '
                f'{label.max()}'
            )
        tiles[name] = image, label
    if not tiles:
        raise ValueError(f"'{folder}' holds no '{image_prefix}*.png'")
    return tiles


def split_tiles(tiles: dict, split: str) -> list:
    """(split name, tile name, image, annotation) of each picture to write."""
    if split == 'halves':
        pieces = []
        for name, (image, label) in tiles.items():
            middle = image.shape[1] // 2
            pieces.append(('train', name, image[:, :middle], label[:, :middle]))
            pieces.append(('val', name, image[:, middle:], label[:, middle:]))
        return pieces
    if len(tiles) < 2:
        raise ValueError(f'--split tiles wants two tiles or more, got {len(tiles)}; use halves')
    *_, last = tiles
    return [('val' if name == last else 'train', name, *pair) for name, pair in tiles.items()]


def lay_out(args: argparse.Namespace) -> str:
    """Write the folder; returns a line to print."""
    out = Path(args.out)
    if out.exists():
        raise ValueError(f"'{out}' exists; remove it or name another folder")
    pieces = split_tiles(read_tiles(Path(args.tiles), args.image_prefix, args.label_prefix), args.split)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and renamed when whole.
    unfinished = Path(tempfile.mkdtemp(prefix=f'.{out.name}-', dir=out.parent))
    try:
        unfinished.chmod(0o755)
        for split, name, image, label in pieces:
            for kind, picture in (('img_dir', image), ('ann_dir', label)):
                path = unfinished / kind / split / f'{name}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(cv2.imencode('.png', picture)[1].tobytes())
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    count = {split: sum(piece[0] == split for piece in pieces) for split in ('train', 'val')}
    return f"wrote {count['train']} pictures to train and {count['val']} to val in '{out}'"


def main(argv: list | None = None) -> int:
    try:
        print(lay_out(parse_args(argv)))
    except (ValueError, OSError) as error:
        print(f'lay_out_tiles: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
