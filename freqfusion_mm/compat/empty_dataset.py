"""An empty data set is refused in words, naming folder, suffix and filter.

Lacking: mmengine (0.10.7; onedl 0.10.12) says "need at least one array to concatenate", from numpy.
Changes: every data set of mmengine, mmseg, mmdet and mmpretrain raises a `DatasetError` instead, where it serializes
    its samples, as it does by default.
Goes: when mmengine names what it looked for.
"""

import os
from collections.abc import Sequence
from typing import Any

import mmengine
from mmengine.dataset import BaseDataset

from ..datasets.manifest import DatasetError

SETTINGS = ('ann_file', 'img_suffix', 'seg_map_suffix', 'extensions', 'filter_cfg', 'indices')


def apply() -> None:
    """Make every data set of mmengine, mmseg, mmdet and mmpretrain raise a `DatasetError` where it finds no sample."""
    upstream = BaseDataset._serialize_data
    if getattr(upstream, 'refuses_empty', False):
        return

    def serialize(self: BaseDataset) -> Any:
        if not self.data_list:
            raise DatasetError(_describe(self))
        return upstream(self)

    serialize.refuses_empty = True
    BaseDataset._serialize_data = serialize


def _describe(dataset: BaseDataset) -> str:
    settings = dict(vars(dataset), indices=dataset._indices, filter_cfg=dataset.filter_cfg)
    named = [f'{name}={settings[name]!r}' for name in SETTINGS if settings.get(name) not in (None, '')]
    prefixes = dataset.data_prefix if isinstance(dataset.data_prefix, dict) else {'': dataset.data_prefix}
    folders = [f'{name}: {_content(folder)}' for name, folder in prefixes.items() if folder]
    found = len(dataset.load_data_list())
    classes = _unknown_classes(dataset)
    if classes:
        return f'the data set {type(dataset).__name__} is empty: {classes}'
    counted = f'{found} samples were found, and the filter leaves none of them' if found else 'no sample was found'
    return (
        f'the data set {type(dataset).__name__} is empty: {counted} with {", ".join(named) or "its settings"}. '
        f'Folders: {"; ".join(folders) or "none"}. Check them against data_root={dataset.data_root!r}'
    )


def _unknown_classes(dataset: BaseDataset) -> str:
    """Of a COCO data set none of whose classes its JSON has; '' for any other."""
    classes, known = dataset.metainfo.get('classes'), getattr(dataset, 'cat_ids', None)
    if not classes or known is None or len(known):
        return ''
    names = [category['name'] for category in mmengine.load(dataset.ann_file)['categories']]
    return (
        f'none of its classes {_some(classes)} is a category of {dataset.ann_file}, which has {_some(names)}: set '
        "metainfo=dict(classes=(...)) of the data set to the categories' names"
    )


def _some(names: Sequence[str]) -> str:
    return ', '.join(map(repr, names[:5])) + f', ... ({len(names)})' * (len(names) > 5)


def _content(folder: str) -> str:
    if '://' in folder:
        return folder
    if not os.path.isdir(folder):
        return f'{folder} does not exist'
    names = sorted(os.listdir(folder))
    return f'{folder} holds {len(names)} entries' + (f', the first {names[0]!r}' if names else '')
