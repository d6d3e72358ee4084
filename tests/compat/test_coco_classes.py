"""mmdet's COCO data sets list their classes as they number them, and refuse a JSON that is not panoptic in words."""

import json

import pytest

cv2 = pytest.importorskip('cv2', reason='images are written with it')
datasets = pytest.importorskip('mmdet.datasets', reason="the data sets are mmdetection's")

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.datasets.manifest import DatasetError  # noqa: E402

CATEGORIES = [dict(id=7, name='car', isthing=1), dict(id=3, name='road', isthing=0), dict(id=5, name='dog', isthing=1)]
COLOURS = dict(car=(1, 1, 1), road=(2, 2, 2), dog=(3, 3, 3), sky=(4, 4, 4))


def panoptic(folder, order, categories=CATEGORIES, **changes):
    """One image with a segment of each category."""
    segments = [
        dict(id=i + 1, category_id=category['id'], iscrowd=0, area=4, bbox=[0, 0, 2, 2])
        for i, category in enumerate(CATEGORIES)
    ]
    content = dict(
        images=[dict(id=1, file_name='a.jpg', height=4, width=4)],
        categories=categories,
        annotations=[dict(image_id=1, file_name='a.png', segments_info=segments)],
    )
    (folder / 'a.json').write_text(json.dumps(dict(content, **changes)))
    return datasets.CocoPanopticDataset(
        data_root=str(folder),
        ann_file='a.json',
        data_prefix=dict(img='img/', seg='pan/'),
        test_mode=True,
        pipeline=[],
        metainfo=dict(
            classes=order,
            thing_classes=('car', 'dog'),
            stuff_classes=('road', 'sky'),
            palette=type(order)(COLOURS[name] for name in order),
        ),
    )


@pytest.mark.parametrize('order', [('car', 'road', 'dog'), ('dog', 'car', 'road'), ['road', 'dog', 'car']])
def test_classes_and_colours_follow_the_labels(tmp_path, order):
    dataset = panoptic(tmp_path, order)
    assert list(dataset.metainfo['classes']) == ['car', 'road', 'dog']
    assert dataset.metainfo['palette'] == type(order)(COLOURS[name] for name in ('car', 'road', 'dog'))
    labels = {info['id']: info['category'] for info in dataset.get_data_info(0)['segments_info']}
    names = {7: 'car', 3: 'road', 5: 'dog'}
    for i, category in enumerate(CATEGORIES):
        assert dataset.metainfo['classes'][labels[i + 1]] == names[category['id']]


def test_a_class_that_the_json_lacks_keeps_no_label(tmp_path):
    dataset = panoptic(tmp_path, ('sky', 'dog', 'car', 'road'))
    assert dataset.metainfo['classes'] == ('car', 'road', 'dog', 'sky')


def test_boxes_too(tmp_path):
    (tmp_path / 'boxes.json').write_text(
        json.dumps(
            dict(
                images=[dict(id=1, file_name='a.jpg', height=4, width=4)],
                categories=CATEGORIES,
                annotations=[dict(id=1, image_id=1, category_id=5, bbox=[0, 0, 2, 2], area=4, iscrowd=0)],
            )
        )
    )
    dataset = datasets.CocoDataset(
        data_root=str(tmp_path),
        ann_file='boxes.json',
        data_prefix=dict(img='img/'),
        metainfo=dict(classes=('dog', 'car'), palette=[COLOURS['dog'], COLOURS['car']]),
        pipeline=[],
    )
    assert dataset.metainfo['classes'] == ('car', 'dog')
    assert dataset.get_data_info(0)['instances'][0]['bbox_label'] == 1


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(categories=[dict(id=c['id'], name=c['name']) for c in CATEGORIES]), "a.json' lacks 'isthing': each cat"),
        (
            dict(annotations=[dict(id=1, image_id=1, bbox=[0, 0, 2, 2], area=4)]),
            "lacks 'segments_info', .* is it a JSON of instances",
        ),
        (
            dict(annotations=[dict(image_id=1, file_name='a.png', segments_info=[dict(id=1, category_id=7)])]),
            "lacks 'bbox': each entry of an annotation's segments_info",
        ),
        (
            dict(categories=[*CATEGORIES[:2], dict(id=5, name='cow', isthing=1)]),
            'segments of category 5, which is none of the 3 classes',
        ),
    ],
)
def test_what_is_no_panoptic_json_is_refused(tmp_path, changes, message):
    with pytest.raises(DatasetError, match=message):
        panoptic(tmp_path, ('car', 'road', 'dog'), **changes)


def test_a_string_of_classes_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="must list the names, got 'car'"):
        panoptic(tmp_path, ('car', 'road', 'dog')).__class__(
            data_root=str(tmp_path),
            ann_file='a.json',
            data_prefix=dict(img='img/'),
            metainfo=dict(classes='car'),
            pipeline=[],
            test_mode=True,
        )


def test_coco_itself_is_unchanged(shared):
    root = shared('data/coco_subset')
    dataset = datasets.CocoPanopticDataset(
        data_root=str(root),
        ann_file='annotations/panoptic_val2017.json',
        data_prefix=dict(img='images/val2017/', seg='panoptic_val2017/'),
        test_mode=True,
        pipeline=[],
    )
    assert dataset.metainfo['classes'] == datasets.CocoPanopticDataset.METAINFO['classes']
    assert len(dataset) == 60 and all(info['segments_info'] for info in dataset)
