"""From a config and a checkpoint to a picture in four lines, and the numbers of a test."""

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmseg')

from mmengine.runner import Runner  # noqa: E402

from freqfusion_mm.apis import build_runner, draw, inference, init_model, load_config  # noqa: E402
from freqfusion_mm.apis.runner import BareStateDict  # noqa: E402


def test_four_lines(world):
    photo = world.image('photo.png')
    config = world.config()
    checkpoint = world.weights(config)

    model = init_model(config, checkpoint)
    result = inference(model, photo)
    picture = draw(model, photo, result, out='pictures/photo.png')

    assert result.pred_sem_seg.shape == (48, 72) and model.dataset_meta['classes'] == ['a', 'b']
    assert picture.shape == (48, 72, 3) and (np.asarray(Image.open('pictures/photo.png')) == picture).all()
    colours = np.array(model.dataset_meta['palette'])[result.pred_sem_seg.data[0].cpu()]
    blended = (0.2 * np.asarray(Image.open(photo)) + 0.8 * colours).astype(np.uint8)
    assert (np.abs(picture.astype(int) - blended) <= 1).all(axis=2).mean() > 0.7  # the rest are the names


def test_files_arrays_and_lists_are_one(world):
    cv2 = pytest.importorskip('cv2')
    photos = [world.image('one.png'), world.image('two.png', size=(40, 33))]
    model = init_model(world.config(), device='cpu')
    results = inference(model, photos)
    assert [result.pred_sem_seg.shape for result in results] == [(48, 72), (40, 33)]
    for photo, result in zip(photos, results):
        again = inference(model, cv2.imread(str(photo)))
        torch.testing.assert_close(again.seg_logits.data, result.seg_logits.data)
        drawn = draw(model, cv2.imread(str(photo)), again)
        np.testing.assert_array_equal(drawn, draw(model, photo, result))


def test_a_real_photograph(world, shared):
    photo = next(shared('data/coco_subset/images').rglob('*.jpg'))
    model = init_model(world.config(), device='cpu')
    with Image.open(photo) as opened:
        assert inference(model, photo).pred_sem_seg.shape == opened.size[::-1]


def test_detection_is_drawn(world):
    pytest.importorskip('mmdet')
    pytest.importorskip('mmcv.ops', reason='non-maximum suppression is compiled')
    (world.folder / 'detector.py').write_text(DETECTOR)
    model = init_model('detector.py', device='cpu')
    photo = world.image('photo.png')
    result = inference(model, photo)
    assert len(result.pred_instances) > 0
    shown, left_out = (draw(model, photo, result, score_thr=threshold) for threshold in (0.0, 1.1))
    result.pred_instances = result.pred_instances[:0]
    nothing = draw(model, photo, result, score_thr=0.0)  # some matplotlibs move the photograph itself by a pixel
    assert shown.shape == (48, 72, 3) and (left_out == nothing).all() and (shown != nothing).any()


def test_workers_that_persist_need_workers(world):
    ahead = {f'{split}_dataloader.prefetch_factor': 3 for split in ('train', 'val')}
    cfg = load_config(world.config(), {'val_dataloader.num_workers': 2, **ahead})
    assert cfg.train_dataloader.persistent_workers is False and cfg.val_dataloader.persistent_workers is True
    assert 'prefetch_factor' not in cfg.train_dataloader and cfg.val_dataloader.prefetch_factor == 3


@pytest.mark.parametrize('wrapped', [False, True])
def test_averaged_weights_take_a_bare_state_dict(world, wrapped):
    world.image('photo.png')
    config = world.config("custom_hooks = [dict(type='EMAHook')]")
    state_dict = init_model(config, device='cpu').state_dict()
    for value in state_dict.values():
        value.fill_(2)
    torch.save(dict(state_dict=state_dict) if wrapped else state_dict, 'weights.pth')
    runner = build_runner(load_config(config, {'load_from': 'weights.pth'}, work_dir='work'))
    assert isinstance(runner, Runner) and any(isinstance(hook, BareStateDict) for hook in runner.hooks)
    runner.call_hook('before_run')
    runner.load_or_resume()
    (ema,) = (hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook')
    for model in (runner.model, ema.ema_model.module):
        assert all((parameter == 2).all() for parameter in model.parameters())


DETECTOR = """
default_scope = 'mmdet'
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
pipeline.insert(1, dict(type='Resize', scale=(64, 64), keep_ratio=True))
test_dataloader = dict(dataset=dict(type='CocoDataset', metainfo=dict(classes=('dog',)), ann_file='gone.json',
                                    pipeline=pipeline))
model = dict(
    type='RetinaNet', data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=18, base_channels=8),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=4),
    bbox_head=dict(
        type='RetinaHead', num_classes=1, in_channels=8, feat_channels=8, stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[4, 8, 16, 32]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True), loss_bbox=dict(type='L1Loss')),
    test_cfg=dict(nms_pre=10, score_thr=0., nms=dict(type='nms', iou_threshold=0.5), max_per_img=3))
"""
