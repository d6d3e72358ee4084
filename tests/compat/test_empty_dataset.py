"""An empty data set is refused by name, whichever framework's it is and whatever emptied it."""

import json
import re

import numpy as np
import pytest

cv2 = pytest.importorskip('cv2', reason='images are written with it')
pytest.importorskip('mmcv', reason='the data sets of the frameworks import it')

from mmengine.dataset import BaseDataset  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.datasets.manifest import DatasetError  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    """Two images with semantic labels, and COCO annotations that hold no box."""
    for name in ('img', 'ann'):
        (tmp_path / name).mkdir()
        for i in range(2):
            cv2.imwrite(str(tmp_path / name / f'{i}.png'), np.zeros((8, 8, 3), np.uint8))
    images = [dict(id=i, file_name=f'{i}.png', height=8, width=8) for i in range(2)]
    (tmp_path / 'boxes.json').write_text(
        json.dumps(dict(images=images, annotations=[], categories=[dict(id=1, name='cat')]))
    )
    return tmp_path


def semantic(folder, **kwargs):
    mmseg = pytest.importorskip('mmseg.datasets')
    prefix = dict(img_path='img', seg_map_path='ann')
    return mmseg.BaseSegDataset(data_root=str(folder), data_prefix=prefix, pipeline=[], **kwargs)


def boxes(folder, **kwargs):
    mmdet = pytest.importorskip('mmdet.datasets')
    return mmdet.CocoDataset(
        data_root=str(folder),
        ann_file='boxes.json',
        data_prefix=dict(img='img/'),
        metainfo=dict(classes=('cat',), palette=[(1, 2, 3)]),
        pipeline=[],
        **kwargs,
    )


def test_a_suffix_that_no_file_has(folder):
    with pytest.raises(DatasetError) as error:
        semantic(folder, img_suffix='.tif')
    for part in ('BaseSegDataset', "img_suffix='.tif'", f"{folder}/img holds 2 entries, the first '0.png'"):
        assert part in str(error.value)


def test_a_filter_that_leaves_nothing(folder):
    message = r'CocoDataset is empty: 2 samples were found, and the filter leaves none .*filter_empty_gt'
    with pytest.raises(DatasetError, match=message):
        boxes(folder, filter_cfg=dict(filter_empty_gt=True))
    assert len(boxes(folder)) == 2  # unfiltered, images without a box are samples


def test_classes_that_the_annotations_do_not_have(folder):
    mmdet = pytest.importorskip('mmdet.datasets')
    wrong = r"none of its classes 'dog', 'Cat' is a category of .*boxes.json, which has 'cat': set metainfo"
    with pytest.raises(DatasetError, match=wrong):
        mmdet.CocoDataset(
            data_root=str(folder),
            ann_file='boxes.json',
            data_prefix=dict(img='img/'),
            metainfo=dict(classes=('dog', 'Cat'), palette=[(1, 2, 3)] * 2),
            filter_cfg=dict(filter_empty_gt=True),
            pipeline=[],
        )


def test_a_folder_without_images(folder):
    for path in (folder / 'img').iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=re.escape(f'{folder}/img holds 0 entries')):
        semantic(folder)


def test_a_list_without_entries(tmp_path):
    (tmp_path / 'list.json').write_text(json.dumps(dict(metainfo={}, data_list=[])))
    with pytest.raises(DatasetError, match=r'no sample was found with ann_file=.*list\.json'):
        BaseDataset(ann_file='list.json', data_root=str(tmp_path), data_prefix=dict(img_path='gone'))


def test_no_index_chosen(folder):
    with pytest.raises(DatasetError, match=r'2 samples were found.*indices=0'):
        semantic(folder, img_suffix='.png', indices=0)


REAL = {
    'a suffix that no photograph has': (
        dict(type='BaseSegDataset', data_prefix=dict(img_path='images/val2017'), img_suffix='.png'),
        r"no sample was found with img_suffix='\.png'.*images/val2017 holds \d+ entries, the first '\d+\.jpg'",
    ),
    'classes that no annotation has': (
        dict(
            type='CocoDataset',
            ann_file='annotations/instances_val2017.json',
            data_prefix=dict(img='images/val2017/'),
            metainfo=dict(classes=('unicorn',)),
            filter_cfg=dict(filter_empty_gt=True),
        ),
        r"none of its classes 'unicorn' is a category of .*val2017.json, which has 'person', .* \(80\): set metainfo",
    ),
    'a size that no photograph reaches': (
        dict(
            type='CocoPanopticDataset',
            ann_file='annotations/panoptic_val2017.json',
            data_prefix=dict(img='images/val2017/', seg='panoptic_val2017/'),
            filter_cfg=dict(min_size=10000),
        ),
        r'CocoPanopticDataset is empty: 60 samples were found, and the filter leaves none .*min_size',
    ),
    'cells of no image set': (
        dict(type='mmdet.XMLDataset', ann_file='none.txt', data_prefix=dict(sub_data_root='')),
        r'XMLDataset is empty: no sample was found with ann_file=.*none\.txt',
    ),
}


@pytest.mark.parametrize('what', REAL)
def test_real_folders(what, shared, tmp_path):
    pytest.importorskip('mmdet')
    pytest.importorskip('mmseg')
    from mmengine.registry import DATASETS, DefaultScope

    settings, said = REAL[what]
    settings = dict(settings, pipeline=[], data_root=str(shared('data/coco_subset')))
    if 'XML' in settings['type']:
        (tmp_path / 'none.txt').write_text('')
        root = str(shared('data/bccd'))
        settings.update(data_root=root, ann_file=str(tmp_path / 'none.txt'), metainfo=dict(classes=('RBC',)))
    with DefaultScope.overwrite_default_scope('mmseg' if 'Seg' in settings['type'] else 'mmdet'):
        with pytest.raises(DatasetError, match=said):
            DATASETS.build(settings)
