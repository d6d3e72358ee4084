"""Detectors and panoptic models on photographs: every command that draws, with results and without any."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmdet')
pytest.importorskip('mmcv.ops', reason='non-maximum suppression is compiled')

from freqfusion_mm.apis import config_path, init_model  # noqa: E402

pytestmark = pytest.mark.slow

#: The model of Shapes for the classes of COCO, on two photographs of it.
COCO = """
_base_ = {base!r}
data_root = {root!r}
pipeline = [dict(type='LoadImageFromFile'),
            dict(type='LoadPanopticSegments'),
            dict(type='Resize', scale=(160, 128), keep_ratio=True),
            dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor',
                                                  'seg_map_path', 'segments_info'))]
test_dataloader = dict(_delete_=True, batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CocoPanopticDataset', data_root=data_root, ann_file='annotations/panoptic_val2017.json',
                 data_prefix=dict(img='images/val2017/', seg='panoptic_val2017/'), test_mode=True, indices=2,
                 pipeline=pipeline))
test_evaluator = dict(_delete_=True, type='PanopticQuality')
custom_hooks = []
default_hooks = dict(visualization=dict(draw=False))
model = dict(
    backbone=dict(base_channels=8, stem_channels=8), neck=dict(in_channels=[8, 16, 32, 64]),
    roi_head=dict(bbox_head=dict(num_classes=80), mask_head=dict(num_classes=80)),
    semantic_head=dict(num_things_classes=80, num_stuff_classes=53),
    panoptic_fusion_head=dict(num_things_classes=80, num_stuff_classes=53))
{changes}
"""
#: What makes a panoptic model answer with nothing, in the names of mmdet.
NOTHING = "model['test_cfg'] = dict(rcnn=dict(score_thr=1.1), panoptic=dict(stuff_area_limit=10**9, score_thr=1.1))"


@pytest.fixture
def coco(world, shared):
    """coco(changes): a config, and random weights of it."""
    root = shared('data/coco_subset')

    def make(changes=''):
        base = config_path('panoptic-fpn_r18_freqfusion_1xb4-12e_shapes')
        config = world.folder / 'panoptic.py'
        config.write_text(COCO.format(base=base, root=str(root), changes=changes))
        return config, world.weights(config)

    return make


@pytest.mark.parametrize('changes', ['', NOTHING], ids=['segments', 'nothing'])
def test_every_command_that_draws(changes, coco, command, shared):
    config, weights = coco(changes)
    photos = sorted(shared('data/coco_subset/images/val2017').iterdir())[:2]
    done = command('infer', *photos, '--model', config, '--weights', weights, '--out', 'inferred')
    assert done.status == 0 and '2 images in' in done.out, done.err
    for photo in photos:
        pixels = np.asarray(Image.open(photo).convert('RGB'))
        picture = np.asarray(Image.open(f'inferred/{photo.stem}_overlay.png'))
        assert picture.shape == pixels.shape
        difference = np.abs(picture.astype(int) - pixels).max(axis=2)
        assert (difference.max() <= 2) if changes else (difference > 8).any()  # a JPEG of two decoders
        assert (': 1 segments' if changes else 'segments') in done.out
    done = command('test', config, weights, '--work-dir', 'work', '--show-dir', 'shown', '--out', 'all.pkl')
    assert done.status == 0 and 'panoptic/PQ' in done.out and Path('all.pkl').is_file(), done.err
    assert len(list(Path('shown').glob('*.png'))) == 2
    done = command('side-by-side', '--model', config, weights, '--images', 0, 1, '--out', 'side.png')
    assert done.status == 0 and Path('side.png').is_file(), done.err
    done = command('explain', config, weights, photos[0], '--out', 'page.html')
    assert done.status == 0 and 'FreqFusion' in Path('page.html').read_text(), done.err


def test_what_panoptic_models_are_refused(coco, command):
    config, weights = coco()
    for arguments, said in (
        (('test', config, weights, '--work-dir', 'work', '--out', 'maps'), 'is for semantic segmentation and depth'),
        (('export', config, '--out', 'm.onnx'), 'PanopticFPN has a semantic_head, which would be left out'),
        (('similarity', '--model', config, weights, '--layer', 'neck:0'), 'similarity is measured for semantic'),
        (('boundaries', '--model', config, weights), 'boundaries are measured for semantic'),
        (('robustness', '--model', config, weights), 'robustness is measured for segmentation and classification'),
        (('pack', config, '--out', 'packed.zip'), "this one has 'mmdet'"),
    ):
        refused = command(*arguments)
        assert refused.status == 1 and said in refused.err, arguments
    assert not Path('maps').exists() and not Path('m.onnx').exists()


DETECTOR = """
default_scope = 'mmdet'
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(256, 256), keep_ratio=False), dict(type='PackDetInputs')]
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
    type='CocoDataset', data_root={root!r}, ann_file='coco.json', data_prefix=dict(img='img/'), test_mode=True,
    metainfo=dict(classes=('cell',), palette=[[250, 0, 0]]), pipeline=pipeline))
test_evaluator = dict(type='CocoMetric', ann_file={root!r} + '/coco.json', metric='bbox')
test_cfg = dict(type='TestLoop')
tta_model = dict(type='DetTTAModel', tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=9))
model = dict(
    type='RetinaNet', data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=18, base_channels=8),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=4),
    bbox_head=dict(
        type='RetinaHead', num_classes=5, in_channels=8, feat_channels=8, stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[4, 8, 16, 32]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True), loss_bbox=dict(type='L1Loss')),
    test_cfg=dict(nms_pre=10, score_thr=0., nms=dict(type='nms', iou_threshold=0.5), max_per_img=3))
"""

TRAINING = """
train_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                        dataset=dict(test_dataloader['dataset'], test_mode=False))
val_dataloader, val_evaluator, val_cfg = test_dataloader, test_evaluator, dict(type='ValLoop')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
"""
TWO_KINDS = """
train_dataloader['dataset'].update(ann_file='two.json', metainfo=dict(classes=('cell', 'platelet')))
"""
RANGE = r'has the label 1 after its pipeline; the model learns 0 to 0. Set num_classes of every head'


def test_more_outputs_than_names_and_boxes_where_they_are(world, command, shared):
    """Blood cells: five outputs, one name; boxes are drawn where the file has them, not where the network sees them."""
    root, found = shared('data/bccd'), []
    for number, file in enumerate(sorted((root / 'JPEGImages').iterdir())[:2]):
        with Image.open(file) as photo:
            small = photo.convert('RGB').resize((80, 60))
        world.image(f'{file.stem}.png', np.asarray(small))
        found.append(dict(id=number, file_name=f'{file.stem}.png', width=80, height=60))
    box = dict(id=1, image_id=0, category_id=1, bbox=[50, 10, 20, 30], area=600, iscrowd=0)
    content = dict(images=found, annotations=[box], categories=[dict(id=1, name='cell')])
    (world.folder / 'data/coco.json').write_text(json.dumps(content))
    kinds = [*content['categories'], dict(id=2, name='platelet')]
    both = [box, dict(box, id=2, category_id=2)]
    (world.folder / 'data/two.json').write_text(json.dumps(dict(content, annotations=both, categories=kinds)))
    config = world.folder / 'detector.py'
    config.write_text(DETECTOR.format(root=str(world.folder / 'data')))
    weights = world.weights(config, edit=lambda weights: weights['bbox_head.retina_cls.bias'].fill_(3.0))
    model = init_model(config, weights, 'cpu')
    assert model.dataset_meta['classes'] == ['cell', 'class 1', 'class 2', 'class 3', 'class 4']
    refused = command('test', config, weights, '--work-dir', 'work')
    assert refused.status == 1 and 'answers 5 classes, and the data set has 1' in refused.err
    for arguments in (
        ('infer', 'data/img', '--model', config, '--weights', weights, '--out', 'inferred'),
        ('side-by-side', '--model', config, weights, '--images', 0, 1, '--out', 'side.png'),
    ):
        done = command(*arguments)
        assert done.status == 0, (arguments, done.err)
    done = command('infer', 'data/img', '--model', config, '--weights', weights, '--out', 'none', '--score-thr', 2)
    assert done.status == 0 and done.out.count(': 0 objects') == 2, done.err
    training = world.folder / 'training.py'
    for change, said in (
        ('', 'answers 5 classes, and the data set has 1'),  # before an epoch, not at the validation after it
        (
            "val_dataloader = val_cfg = val_evaluator = None\nmodel['bbox_head'].update(num_classes=1)\n" + TWO_KINDS,
            RANGE,
        ),
    ):
        training.write_text(config.read_text() + TRAINING + change)
        refused = command('train', training, '--work-dir', 'trained')
        assert refused.status == 1 and re.search(said, refused.err), refused.err
        assert not list(Path('trained').glob('*.pth'))
    config.write_text(config.read_text() + "model['bbox_head'].update(num_classes=1)\n")
    weights = world.weights(config, 'one.pth')
    for folder, more in (('shown', []), ('averaged', ['--tta'])):
        done = command('test', config, weights, '--work-dir', 'work', '--show-dir', folder, *more)
        assert done.status == 0 and len(list(Path(folder).iterdir())) == 2, done.err
    drawn = np.asarray(Image.open(f'shown/{Path(found[0]["file_name"]).stem}.png').convert('RGB'))[:, :80].astype(int)
    rows, columns = np.nonzero((drawn[..., 0] > 200) & (drawn[..., 1:].max(axis=2) < 80))  # the box is red, no cell is
    assert abs(rows.min() - 10) <= 2 and abs(rows.max() - 40) <= 2
    assert abs(columns.min() - 50) <= 2 and abs(columns.max() - 70) <= 2
