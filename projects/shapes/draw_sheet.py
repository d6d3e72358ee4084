"""Draw a sheet of Shapes, each picture with its label: draw_sheet.py sheet.jpg."""

import argparse

import cv2
import numpy as np
from shapes_dataset.classes import PALETTE
from shapes_dataset.scene import Scene, draw_scene


def picture_label(scene: Scene) -> np.ndarray:
    """The label in class colours, a white line between segments, RGB [H, W, 3]."""
    label = np.array(PALETTE, np.uint8)[np.array(scene.labels)][scene.segments]
    segments = scene.segments
    label[:, 1:][segments[:, 1:] != segments[:, :-1]] = 255
    label[1:][segments[1:] != segments[:-1]] = 255
    return label


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', help='picture to write')
    parser.add_argument('--size', type=int, default=160, help='of a picture, in pixels')
    parser.add_argument('--rows', type=int, default=2)
    parser.add_argument('--cols', type=int, default=3)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    rows = []
    for row in range(args.rows):
        pairs = []
        for col in range(args.cols):
            rng = np.random.default_rng([args.seed, row, col])
            scene = draw_scene(rng, args.size, args.size)
            pairs += [scene.image, picture_label(scene)]
        rows.append(np.concatenate(pairs, axis=1))
    if not cv2.imwrite(args.out, np.concatenate(rows)[..., ::-1]):
        raise OSError(f"cannot write '{args.out}'")


if __name__ == '__main__':
    main()
