"""mmdet's COCO data sets name their classes in the order in which they number them.

Lacking: mmdet (3.3.0; onedl 3.5.1) numbers labels in the order of the JSON's categories, whatever the order of
    `metainfo['classes']`, and leaves `metainfo` as it is, so that metrics and pictures name them wrongly where the two
    differ. Of a panoptic JSON that lacks a key it says no more than the key.
Changes: `classes` and `palette` of `CocoDataset` and what derives from it are sorted as the labels; such a JSON is
    refused in words. Where the orders agree, nothing changes.
Goes: when mmdet numbers or names them alike.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..datasets.manifest import DatasetError

if TYPE_CHECKING:
    from mmdet.datasets import CocoDataset


def apply() -> None:
    """Make `CocoDataset` and what derives from it sort `classes` and `palette` of its metainfo as its labels."""
    if not find_spec('mmdet'):
        return
    from mmdet.datasets import CocoDataset, CocoPanopticDataset

    upstream = CocoDataset.load_data_list
    if getattr(upstream, 'names_as_numbered', False):
        return

    def load_data_list(self: CocoDataset) -> list[dict]:
        classes, read = self._metainfo['classes'], []
        if isinstance(classes, str):
            raise DatasetError(f"metainfo['classes'] must list the names, got {classes!r}; write ({classes!r},)")

        def read_and_keep(path: str) -> object:
            read.append(type(self).COCOAPI(path))
            return read[-1]

        self.COCOAPI = read_and_keep  # for this call: upstream deletes what it has read
        try:
            data_list = upstream(self)
        except KeyError as error:
            remedy = _remedy(self, error.args[0])
            if remedy is None or not isinstance(self, CocoPanopticDataset):
                raise
            raise DatasetError(f"the panoptic annotation '{self.ann_file}' {remedy}") from error
        finally:
            del self.COCOAPI
        _sort_classes(self, {category['id']: category['name'] for category in read[0].dataset['categories']})
        return data_list

    load_data_list.names_as_numbered = True
    CocoDataset.load_data_list = load_data_list


def _sort_classes(dataset: CocoDataset, names: dict[int, str]) -> None:
    classes = dataset._metainfo['classes']
    numbered = [names[category] for category in dataset.cat_ids]
    # Classes that the JSON does not know have no label; they stay, so that their number does.
    order = [classes.index(name) for name in numbered]
    order += [i for i in range(len(classes)) if classes[i] not in numbered]
    if order == list(range(len(classes))):
        return
    dataset._metainfo['classes'] = type(classes)(classes[i] for i in order)
    palette = dataset._metainfo.get('palette')
    if isinstance(palette, (list, tuple)) and len(palette) == len(classes):
        dataset._metainfo['palette'] = type(palette)(palette[i] for i in order)


def _remedy(dataset: CocoDataset, key: object) -> str | None:
    """What a panoptic JSON lacks, by the key that was not found in it."""
    if isinstance(key, int):
        return (
            f'has segments of category {key}, which is none of the {len(dataset.metainfo["classes"])} classes of the '
            "data set's metainfo; name all its categories there"
        )
    if key == 'isthing':
        return "lacks 'isthing': each category must say isthing=1 (countable things) or isthing=0 (stuff)"
    if key == 'segments_info':
        return "lacks 'segments_info', the segments of each annotation: is it a JSON of instances?"
    if key in ('id', 'category_id', 'area', 'bbox'):
        return f"lacks {key!r}: each entry of an annotation's segments_info must have id, category_id, area and bbox"
    return None
