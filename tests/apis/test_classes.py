"""Classes, colours and the ignored label, asked of the built objects."""

import json
from types import SimpleNamespace

import pytest
from torch import nn

pytest.importorskip('mmseg')

from mmengine.config import Config  # noqa: E402
from mmengine.registry import METRICS  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.classes import (
    check_class_order,
    check_countable,
    class_meta,
    complete_meta,
    ignore_label,
    learned_labels,
    outputs_of,
)  # noqa: E402
from freqfusion_mm.apis.errors import CheckpointError  # noqa: E402

OFFICIAL = dict(classes=('sky', 'road', 'car'), palette=[[1, 1, 1], [2, 2, 2], [3, 3, 3]])


def config(scope='mmseg', **dataset):
    return Config(dict(default_scope=scope, test_dataloader=dict(dataset=dict(pipeline=[], **dataset))))


def segmentor(*heads):
    heads = [SimpleNamespace(**head) for head in heads]
    model = nn.Module()
    model.decode_head = nn.ModuleList(nn.Module() for _ in heads) if len(heads) > 1 else nn.Module()
    for module, head in zip(model.decode_head if len(heads) > 1 else [model.decode_head], heads):
        vars(module).update(vars(head))
    return model


def test_a_subset_keeps_its_colours():
    for classes in (('car', 'sky'), ('road',), ('car', 'road', 'sky')):
        wanted = [[1 + OFFICIAL['classes'].index(name)] * 3 for name in classes]
        for palette in (None, OFFICIAL['palette']):
            assert complete_meta(dict(classes=classes, palette=palette), OFFICIAL)['palette'] == wanted
    own = dict(classes=('car', 'sky', 'road'), palette=[[7, 7, 7], [8, 8, 8], [9, 9, 9]])
    assert complete_meta(own, OFFICIAL)['palette'] == own['palette']
    assert complete_meta(dict(classes=('a', 'b'), palette=(9, 8, 7)))['palette'] == [[9, 8, 7], [9, 8, 7]]


def test_subsets_of_built_data_sets(tmp_path):
    """mmseg alone keeps them, and in the order of the whole; mmdet leaves them with the wrong names."""
    whole = class_meta(config(type='CityscapesDataset', data_root=str(tmp_path)))
    for classes in (('car', 'road'), tuple(reversed(whole['classes']))):
        some = class_meta(config(type='mmseg.CityscapesDataset', data_root='x', metainfo=dict(classes=classes)))
        assert some['classes'] == list(classes)
        assert some['palette'] == [whole['palette'][whole['classes'].index(name)] for name in classes]
    pytest.importorskip('mmdet')
    coco = class_meta(config('mmdet', type='CocoDataset', ann_file='gone.json'))
    dogs = dict(type='CocoDataset', ann_file='gone.json', metainfo=dict(classes=('dog', 'person')))
    wrapped = dict(type='ConcatDataset', datasets=[dogs, dict(dogs)])
    found = class_meta(Config(dict(default_scope='mmdet', test_dataloader=dict(dataset=wrapped))))
    assert found['classes'] == ['dog', 'person']
    assert found['palette'] == [coco['palette'][coco['classes'].index(name)] for name in ('dog', 'person')]


def test_a_data_set_that_asks_for_its_files_at_once():
    meta = class_meta(config(type='PascalVOCDataset', data_root='gone', ann_file='gone.txt'))
    assert meta['classes'][:2] == ['background', 'aeroplane'] and meta['palette'][1] == [128, 0, 0]


def test_more_outputs_than_names():
    cfg = config(type='CityscapesDataset', data_root='x')
    meta = class_meta(cfg, segmentor(dict(num_classes=20, out_channels=20)))
    assert meta['classes'][18:] == ['bicycle', 'unlabelled'] and meta['palette'][19] == [0, 0, 0]
    saved = dict(classes=('a', 'b'), palette=[[1, 2, 3], [4, 5, 6]])
    meta = class_meta(cfg, segmentor(dict(num_classes=3, out_channels=3)), saved)
    assert meta['classes'] == ['a', 'b', 'unlabelled'] and meta['palette'][:2] == saved['palette']


def test_the_classes_of_a_checkpoint_do_where_the_config_has_no_test():
    model, saved = segmentor(dict(num_classes=3, out_channels=3)), dict(classes=('a', 'b'), palette=[[1, 2, 3]] * 2)
    for absent in ({}, dict(test_dataloader=None)):
        meta = class_meta(Config(absent), model, saved)
        assert meta['classes'] == ['a', 'b', 'unlabelled'] and meta['palette'] == [[1, 2, 3]] * 2 + [[0, 0, 0]]


def test_the_last_head_of_a_cascade_answers():
    assert outputs_of(segmentor(dict(num_classes=2, out_channels=2), dict(num_classes=5, out_channels=5))) == 5
    assert outputs_of(segmentor(dict(num_classes=2, out_channels=1))) == 2  # a sigmoid answers two
    assert outputs_of(nn.Linear(1, 1)) is None


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"the string 'road': write a tuple"):
        complete_meta(dict(classes='road'))
    with pytest.raises(ValueError, match='2 colours for 3 classes'):
        complete_meta(dict(classes=('x', 'y', 'z'), palette=[[1, 2, 3]] * 2))
    with pytest.raises(ValueError, match='no test_dataloader.dataset'):
        class_meta(Config({}))


def test_the_metrics_label_is_left_out_and_others_are_named(monkeypatch):
    said = []
    monkeypatch.setattr('freqfusion_mm.apis.classes.print_log', lambda text, **_: said.append(text))
    metric, dataset = SimpleNamespace(ignore_index=254), SimpleNamespace(ignore_index=254)
    model = segmentor(dict(num_classes=2, ignore_index=254))
    assert ignore_label([metric], dataset, model) == 254 and not said
    concatenated = SimpleNamespace(datasets=[dataset, SimpleNamespace(ignore_index=0)])
    assert ignore_label([SimpleNamespace(), metric], concatenated, model) == 254
    assert len(said) == 1 and 'ignores 0' in said[0] and '254 is left out' in said[0]
    assert ignore_label([SimpleNamespace(ignore_index=0)], SimpleNamespace(ignore_index=255)) == 0  # not the greatest
    assert ignore_label([], dataset) == 254 and ignore_label([]) == 255
    inside = METRICS.build(
        dict(type='SubsetMetric', metric=dict(type='BoundaryIoU', ignore_index=11), subsets=dict(a='a*'))
    )
    assert ignore_label([inside]) == 11  # a metric of ours that holds another one answers for it


def test_a_detector_with_more_outputs_than_names():
    detector = nn.Module()
    detector.backbone, detector.bbox_head = nn.Module(), nn.Module()
    detector.backbone.num_classes, detector.bbox_head.num_classes = 1000, 4
    assert outputs_of(detector) == 4
    detector.roi_head = nn.Module()
    detector.roi_head.semantic_head = nn.Module()  # as HTC's: it labels pixels, not boxes
    detector.roi_head.semantic_head.num_classes = 183
    assert outputs_of(detector) == 4
    pytest.importorskip('mmdet')
    dogs = dict(type='CocoDataset', ann_file='gone.json', metainfo=dict(classes=('dog', 'person')))
    meta = class_meta(Config(dict(default_scope='mmdet', test_dataloader=dict(dataset=dogs))), detector)
    assert meta['classes'] == ['dog', 'person', 'class 2', 'class 3'] and len(meta['palette']) == 4
    detector.language_model = nn.Module()  # as Grounding DINO's: a text names what it may answer
    assert outputs_of(detector) is None and learned_labels(detector) is None


def test_what_a_detector_learns():
    detector, metric = nn.Module(), SimpleNamespace(cat_ids=[1, 2])
    detector.rpn_head, detector.roi_head = nn.Module(), nn.Module()
    detector.rpn_head.num_classes, detector.roi_head.num_classes = 1, 4
    assert learned_labels(detector) == (4, None)
    for names, refused in (('ab', True), ('abcd', False), ((), False)):
        dataset = SimpleNamespace(metainfo=dict(classes=tuple(names)))
        check_countable(detector, dataset, [])
        if refused:
            with pytest.raises(ValueError, match="answers 4 classes, and the data set has 2: COCO's metric"):
                check_countable(detector, dataset, [metric])
        else:
            check_countable(detector, dataset, [metric])


def test_what_proposes_regions_learns_none_of_the_labels():
    rpn = pytest.importorskip('mmdet.models').RPN
    network = rpn.__new__(rpn)
    nn.Module.__init__(network)
    network.bbox_head = nn.Module()
    network.bbox_head.num_classes = 1
    assert outputs_of(network) == 1 and learned_labels(network) is None


def test_an_ignored_label_that_is_a_class_is_said(monkeypatch):
    said = []
    monkeypatch.setattr('freqfusion_mm.apis.classes.print_log', lambda text, **_: said.append(text))
    dataset = SimpleNamespace(metainfo=dict(classes=[f'kind {i}' for i in range(300)]), ignore_index=255)
    assert ignore_label([SimpleNamespace(ignore_index=255)], dataset) == 255
    assert len(said) == 1 and 'label 255 is left out' in said[0] and "'kind 255'" in said[0]
    dataset.ignore_index = 65535
    assert ignore_label([SimpleNamespace(ignore_index=65535)], dataset) == 65535 and len(said) == 1


def test_a_subset_of_real_annotations(shared, tmp_path):
    """LoveDA's roads and water alone: their own colours, and the numbers 0 and 1 in the labels that are read."""
    import numpy as np
    from PIL import Image

    from freqfusion_mm.apis.data import build_dataset

    for folder, kind in (('img', 'img'), ('ann', 'ann')):
        (tmp_path / folder).mkdir()
        for file in shared('data/loveda').glob(f'{kind}_*.png'):
            (tmp_path / folder / file.name.split('_')[1]).symlink_to(file)
    cfg = config(
        type='LoveDADataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('water', 'road')),
    )
    cfg.test_dataloader.dataset.pipeline = [
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')
    ]  # fmt: skip
    meta = class_meta(cfg)
    assert meta['palette'] == [[0, 0, 255], [255, 255, 0]] and meta['reduce_zero_label']
    dataset = build_dataset(cfg)
    for index in range(3):
        sample = dataset[index]['data_samples']
        labels = np.asarray(Image.open(tmp_path / 'ann' / sample.img_path.rpartition('/')[2]))
        wanted = np.where(labels == 4, 0, np.where(labels == 3, 1, 255))  # the files count water as 4, road as 3
        np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), wanted)


def test_the_order_of_a_checkpoint_s_classes():
    dataset = SimpleNamespace(metainfo=dict(classes=('sky', 'road')))
    for learned in (None, (), ('sky', 'road'), ['sky', 'road', 'unlabelled'], ('sky', 'street')):  # renamed is no order
        check_class_order(learned, dataset, 'a.pth')
    with pytest.raises(CheckpointError, match="a.pth .*number 0 is 'road' there and 'sky' in the data set"):
        check_class_order(('road', 'sky', 'unlabelled'), dataset, 'a.pth')
    wrapper = SimpleNamespace(metainfo=dataset.metainfo, datasets=[dataset, dataset])
    with pytest.raises(CheckpointError, match='another order'):
        check_class_order(('road', 'sky'), wrapper, 'a.pth')


def test_stock_mmdet_names_coco_s_labels_by_the_config(shared):
    """And numbers them by the JSON: a checkpoint of its own trainer is right, whatever order it names."""
    mmdet_datasets = pytest.importorskip('mmdet.datasets')
    folder = shared('data/coco_subset')
    annotations = next(folder.rglob('instances*.json'))
    names = [each['name'] for each in json.loads(annotations.read_text())['categories']][:3]
    meta = dict(classes=tuple(names[::-1]))
    dataset = mmdet_datasets.CocoDataset(ann_file=str(annotations), data_prefix=dict(img=''), metainfo=meta)
    assert list(dataset.metainfo['classes']) == names
    check_class_order(names[::-1], dataset, 'a.pth')


@pytest.mark.parametrize('saved', [None, ('cell', 'platelet')])
def test_coco_labels_are_named_in_the_order_of_the_file(saved, tmp_path):
    """That of the config is what mmdet's own checkpoints say."""
    pytest.importorskip('mmdet')
    categories = [dict(id=1, name='platelet'), dict(id=2, name='cell')]
    (tmp_path / 'a.json').write_text(json.dumps(dict(images=[], annotations=[], categories=categories)))
    metainfo = dict(classes=('cell', 'platelet'), palette=[(1, 1, 1), (2, 2, 2)])
    cfg = config('mmdet', type='CocoDataset', ann_file=str(tmp_path / 'a.json'), metainfo=metainfo)
    found = class_meta(cfg, saved=saved and dict(classes=saved))
    assert found['classes'] == ['platelet', 'cell'] and found['palette'] == [[2, 2, 2], [1, 1, 1]]
    assert class_meta(cfg, saved=dict(classes=('a', 'b')))['classes'] == ['a', 'b']
