"""A scene as COCO writes it: instances, panoptic segments and a semantic label."""

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as rle

from .classes import CLASSES, PALETTE, STUFF, THINGS
from .scene import Scene


@dataclass(frozen=True)
class Labels:
    """The labels of one picture.

    Attributes:
        semantic: class index of each pixel, uint8 [H, W].
        panoptic: segment id of each pixel as an RGB colour, R + 256 G + 65536 B, uint8 [H, W, 3].
        instances: one COCO annotation per thing, without ``id`` and ``image_id``.
        segments_info: one COCO panoptic segment per thing and per stuff class.
    """

    semantic: np.ndarray
    panoptic: np.ndarray
    instances: list
    segments_info: list


def categories(names: tuple = CLASSES) -> list:
    """COCO categories; the category id is the class index plus one."""
    return [
        dict(
            id=CLASSES.index(name) + 1,
            name=name,
            supercategory='stuff' if name in STUFF else 'thing',
            isthing=int(name in THINGS),
            color=list(PALETTE[CLASSES.index(name)]),
        )
        for name in names
    ]


def make_labels(scene: Scene) -> Labels:
    """Turn a scene's segments into labels."""
    panoptic = np.zeros((*scene.segments.shape, 3), np.uint8)
    instances, segments_info, taken = [], [], {(0, 0, 0)}
    for index, label in enumerate(scene.labels):
        mask = scene.segments == index
        area = int(mask.sum())
        if area == 0:
            continue
        colour = _next_colour(PALETTE[label], taken)
        panoptic[mask] = colour
        common = dict(category_id=label + 1, area=area, bbox=_bbox(mask), iscrowd=0)
        segments_info.append(dict(id=colour[0] + 256 * colour[1] + 65536 * colour[2], **common))
        if CLASSES[label] in THINGS:
            code = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
            # A hole is not a polygon: run lengths, as text because JSON has no bytes.
            segmentation = dict(size=code['size'], counts=code['counts'].decode('ascii'))
            instances.append(dict(segmentation=segmentation, **common))
    semantic = np.array(scene.labels, np.uint8)[scene.segments]
    return Labels(semantic, panoptic, instances, segments_info)


def _bbox(mask: np.ndarray) -> list:
    """[x, y, width, height] in pixels."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(cols[0]), int(rows[0]), int(cols[-1] - cols[0] + 1), int(rows[-1] - rows[0] + 1)]


def _next_colour(base: tuple, taken: set) -> tuple:
    """The class colour, varied until no segment of this picture has it."""
    colour = tuple(base)
    while colour in taken:
        colour = tuple((c + step) % 256 for c, step in zip(colour, (20, 28, 36)))
    taken.add(colour)
    return colour
