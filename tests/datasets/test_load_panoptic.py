"""Panoptic labels as a network is trained on them."""

import cv2
import numpy as np
import pytest

datasets = pytest.importorskip('mmdet.datasets', reason="the transform derives from mmdetection's")

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.datasets import panoptic_png  # noqa: E402
from freqfusion_mm.datasets.transforms.load_panoptic import LoadPanopticSegments  # noqa: E402

IDS = np.array([[7, 7, 0, 300], [7, 9, 9, 300]])
SEGMENTS = [
    dict(id=7, category=0, is_thing=1),
    dict(id=300, category=1, is_thing=0),
    dict(id=9, category=0, is_thing=False),  # a crowd
]


def results(path, ids=IDS, segments=SEGMENTS):
    cv2.imwrite(str(path), np.stack([ids // 65536, ids // 256 % 256, ids % 256], axis=-1).astype(np.uint8))
    instances = [dict(bbox=[0, 0, 2, 2], bbox_label=0, ignore_flag=0)]
    return dict(seg_map_path=str(path), segments_info=segments, ori_shape=ids.shape, instances=instances)


def test_by_hand(tmp_path):
    found = LoadPanopticSegments()(results(tmp_path / 'a.png'))
    np.testing.assert_array_equal(found['gt_seg_map'], [[0, 0, 255, 1], [0, 0, 0, 1]])
    np.testing.assert_array_equal(found['gt_masks'].masks, [[[1, 1, 0, 0], [1, 0, 0, 0]]])
    assert found['gt_bboxes_labels'].tolist() == [0]


def test_the_image_reader_that_is_asked_for(tmp_path, monkeypatch):
    readers, read = [], panoptic_png.mmcv.imfrombytes
    monkeypatch.setattr(
        panoptic_png.mmcv,
        'imfrombytes',
        lambda *args, **options: readers.append(options['backend']) or read(*args, **options),
    )
    by_cv2, by_pillow = (
        LoadPanopticSegments(imdecode_backend=name)(results(tmp_path / 'a.png')) for name in ('cv2', 'pillow')
    )
    assert readers == ['cv2', 'pillow']
    np.testing.assert_array_equal(by_cv2['gt_seg_map'], by_pillow['gt_seg_map'])


def test_what_is_left_out(tmp_path):
    found = LoadPanopticSegments(with_mask=False)(results(tmp_path / 'a.png'))
    assert 'gt_masks' not in found and 'gt_seg_map' in found
    found = LoadPanopticSegments(with_seg=False)(results(tmp_path / 'a.png'))
    assert 'gt_masks' in found and 'gt_seg_map' not in found
    without = dict(results(tmp_path / 'a.png'), seg_map_path=None)
    assert 'gt_seg_map' not in LoadPanopticSegments()(without)


def test_bad_labels_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"a\.png' holds none of the 3 segments .* it holds \[0, 1, 2\]"):
        LoadPanopticSegments()(results(tmp_path / 'a.png', ids=np.arange(8).reshape(2, 4) % 5))
    small = dict(results(tmp_path / 'a.png'), ori_shape=(4, 8))
    with pytest.raises(ValueError, match=r"a\.png' is of 2 x 4 pixels, its image of 4 x 8"):
        LoadPanopticSegments(with_mask=False)(small)
    (tmp_path / 'a.png').write_bytes(b'half a picture')
    broken = dict(segments_info=SEGMENTS, ori_shape=(2, 4), instances=[])
    with pytest.raises(RuntimeError, match=r"a\.png' is not an image"):
        LoadPanopticSegments()(dict(broken, seg_map_path=str(tmp_path / 'a.png')))
    with pytest.raises(RuntimeError, match=r"b\.png' is missing"):
        LoadPanopticSegments()(dict(broken, seg_map_path=str(tmp_path / 'b.png')))


def test_on_coco(shared):
    """Every pixel of a few real labels: the class of its segment, or ignored."""
    root = shared('data/coco_subset')
    dataset = datasets.CocoPanopticDataset(
        data_root=str(root),
        ann_file='annotations/panoptic_val2017.json',
        data_prefix=dict(img='images/val2017/', seg='panoptic_val2017/'),
        test_mode=True,
        pipeline=[],
    )
    for index in range(4):
        info = dataset.get_data_info(index)
        found = LoadPanopticSegments()(dict(info, ori_shape=(info['height'], info['width'])))
        png = cv2.imread(info['seg_map_path']).astype(int)
        ids = png[..., 2] + 256 * png[..., 1] + 65536 * png[..., 0]
        category = {segment['id']: segment['category'] for segment in info['segments_info']}
        wanted = [category.get(number, 255) for number in ids.ravel().tolist()]
        np.testing.assert_array_equal(found['gt_seg_map'].ravel(), wanted)
        things = [segment['id'] for segment in info['segments_info'] if segment['is_thing']]
        assert len(found['gt_masks']) == len(things) == len(found['gt_bboxes'])
        for mask, number in zip(found['gt_masks'].masks, things):
            np.testing.assert_array_equal(mask, ids == number)
