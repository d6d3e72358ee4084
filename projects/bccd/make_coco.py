"""Writes BCCD's VOC annotations as COCO JSON, beside the images: python projects/bccd/make_coco.py data/bccd.

A box without area (one in train, one in val) is dropped and named.
"""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

CLASSES = ('RBC', 'WBC', 'Platelets')


def read_boxes(file: Path) -> tuple[dict, list[tuple[str, list[int]]]]:
    """Size of the image, and class name and [x, y, w, h] of each object, in pixels from 0 on."""
    root = ElementTree.parse(file).getroot()
    size = {name: int(root.find(f'size/{name}').text) for name in ('width', 'height')}
    boxes = []
    for thing in root.iter('object'):
        x1, y1, x2, y2 = (int(thing.find(f'bndbox/{side}').text) for side in ('xmin', 'ymin', 'xmax', 'ymax'))
        boxes.append((thing.find('name').text, [x1 - 1, y1 - 1, x2 - x1, y2 - y1]))  # VOC counts from 1
    return size, boxes


def convert(root: Path, split: str) -> dict:
    """One split as COCO writes it."""
    images, annotations = [], []
    for name in (root / 'ImageSets' / 'Main' / f'{split}.txt').read_text().split():
        size, boxes = read_boxes(root / 'Annotations' / f'{name}.xml')
        images.append(dict(id=len(images) + 1, file_name=f'{name}.jpg', **size))
        for label, box in boxes:
            if label not in CLASSES:
                raise SystemExit(f'{split}: {name} has an object {label!r}; the classes are {", ".join(CLASSES)}')
            if min(box[2:]) < 1:
                print(f'{split}: {name} has a {label} of {box[2]} x {box[3]} pixels, which is left out')
                continue
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=len(images),
                    category_id=CLASSES.index(label) + 1,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=0,
                )
            )
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    return dict(images=images, annotations=annotations, categories=categories)


def main() -> None:
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / 'Annotations').is_dir():
        raise SystemExit(f'wanted: python {sys.argv[0]} FOLDER, with JPEGImages, Annotations and ImageSets in it')
    root = Path(sys.argv[1])
    contents = {split: convert(root, split) for split in ('train', 'val', 'test')}
    for split, content in contents.items():
        (root / f'{split}.json').write_text(json.dumps(content))
        print(f'{split}: {len(content["images"])} images, {len(content["annotations"])} boxes')


if __name__ == '__main__':
    main()
