"""Write the Shapes data set: python projects/shapes/make_shapes.py [data/shapes]."""

import argparse
import json
import multiprocessing
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from shapes_dataset.classes import CLASSES, THINGS
from shapes_dataset.coco import categories, make_labels
from shapes_dataset.folder import make_folder
from shapes_dataset.scene import draw_scene
from tqdm import tqdm

from freqfusion_mm.datasets.manifest import DatasetError, write_manifest

VERSION = 'shapes-2'  # a change that changes any file changes this
SPLITS = ('train', 'val')
FOLDERS = ('images', 'semantic', 'panoptic', 'annotations')
SMALLEST = 48


def parse_args(argv: list | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write the Shapes data set: images, semantic, instance and panoptic labels.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('root', nargs='?', default='data/shapes', help='folder to write')
    parser.add_argument('--height', type=int, default=128, help='of an image, in pixels')
    parser.add_argument('--width', type=int, default=128, help='of an image, in pixels')
    parser.add_argument('--train', type=int, default=400, help='number of training images')
    parser.add_argument('--val', type=int, default=100, help='number of validation images')
    parser.add_argument('--seed', type=int, default=0, help='equal seeds give equal files')
    parser.add_argument('--workers', type=int, default=2, help='processes; changes no file')
    parser.add_argument('--overwrite', action='store_true', help='replace an older Shapes folder')
    args = parser.parse_args(argv)
    if min(args.height, args.width) < SMALLEST:
        parser.error(f'--height and --width must be at least {SMALLEST}, got {args.height} and {args.width}')
    if min(args.train, args.val, args.workers) < 1 or args.seed < 0:
        parser.error('--train, --val and --workers must be positive and --seed not negative')
    return args


def write_image(root: Path, height: int, width: int, seed: int, job: tuple) -> dict:
    """Draw and write image ``job = (split, number)``; its seed depends on nothing else."""
    split, number = job
    cv2.setNumThreads(1)
    sequence = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), number))
    scene = draw_scene(np.random.default_rng(sequence), height, width)
    labels = make_labels(scene)
    name = f'{number:06d}.png'
    _write_png(root / 'images' / split / name, scene.image[..., ::-1])
    _write_png(root / 'semantic' / split / name, labels.semantic)
    _write_png(root / 'panoptic' / split / name, labels.panoptic[..., ::-1])
    image = dict(id=number, file_name=name, height=height, width=width)
    panoptic = dict(image_id=number, file_name=name, segments_info=labels.segments_info)
    return dict(image=image, instances=labels.instances, panoptic=panoptic)


def write_annotations(root: Path, split: str, records: list) -> None:
    """Write the two COCO files of a split."""
    images = [record['image'] for record in records]
    instances = [dict(image_id=record['image']['id'], **thing) for record in records for thing in record['instances']]
    for number, thing in enumerate(instances, start=1):
        thing['id'] = number
    panoptic = [record['panoptic'] for record in records]
    for kind, annotations, names in (('instances', instances, THINGS), ('panoptic', panoptic, CLASSES)):
        coco = dict(
            info=dict(description=f'Shapes, {kind}', version=VERSION),
            licenses=[],
            images=images,
            annotations=annotations,
            categories=categories(names),
        )
        path = root / 'annotations' / f'{kind}_{split}.json'
        path.write_text(json.dumps(coco, sort_keys=True))


def write_dataset(root: Path, height: int, width: int, train: int, val: int, seed: int, workers: int) -> dict:
    """Write all files of the data set into the empty folder ``root``; returns its manifest."""
    for folder in FOLDERS:
        for split in SPLITS if folder != 'annotations' else ('',):
            (root / folder / split).mkdir(parents=True)
    jobs = [('train', i + 1) for i in range(train)] + [('val', i + 1) for i in range(val)]
    work = partial(write_image, root, height, width, seed)
    bar = partial(tqdm, total=len(jobs), desc='drawing Shapes', unit='image')
    if workers == 1:
        records = list(bar(map(work, jobs)))
    else:
        with multiprocessing.get_context('spawn').Pool(workers) as pool:
            records = list(bar(pool.imap(work, jobs, chunksize=8)))
    write_annotations(root, 'train', records[:train])
    write_annotations(root, 'val', records[train:])
    return write_manifest(
        root,
        VERSION,
        arguments=dict(height=height, width=width, train=train, val=val, seed=seed),
        facts=dict(classes=CLASSES, numpy=np.__version__, opencv=cv2.__version__),
    )


def make_shapes(args: argparse.Namespace) -> str:
    """Write the folder that ``args`` ask for unless it is there; returns a line to print."""
    wanted = {key: getattr(args, key) for key in ('height', 'width', 'train', 'val', 'seed')}
    return make_folder(
        Path(args.root),
        VERSION,
        wanted,
        args.overwrite,
        partial(write_dataset, workers=args.workers, **wanted),
    )


def main(argv: list | None = None) -> int:
    args = parse_args(argv)
    try:
        print(make_shapes(args))
    except (DatasetError, OSError) as error:
        print(f'make_shapes: {error}', file=sys.stderr)
        return 1
    return 0


def _write_png(path: Path, image: np.ndarray) -> None:
    path.write_bytes(cv2.imencode('.png', image)[1].tobytes())


if __name__ == '__main__':
    sys.exit(main())
