"""tools/train.py and tools/test.py as a user starts them: small models, small random pictures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmengine', reason='the tools run on mmengine')
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = """
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2),
    logger=dict(type='LoggerHook', interval=1))
log_processor = dict(by_epoch=False)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
param_scheduler = [dict(type='PolyLR', power=0.9, begin=0, end=4, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
val_cfg, test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
"""
SEMANTIC = (
    RUNTIME
    + """
default_scope = 'mmseg'
data_root = {root!r}
dataset = dict(
    type='BaseSegDataset', data_root=data_root, metainfo=dict(classes=('a', 'b'), palette=[[0] * 3, [255] * 3]),
    data_prefix=dict(img_path='img', seg_map_path='sem'), img_suffix='.png', seg_map_suffix='.png',
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')])
train_dataloader = dict(batch_size=2, sampler=dict(type='InfiniteSampler'), dataset=dataset)
val_dataloader = test_dataloader = dict(batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False),
                                        dataset=dataset)
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64), bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=dict(type='BN')),
    decode_head=dict(type='FCNHead', in_channels=64, channels=8, num_convs=1, num_classes=2,
                     norm_cfg=dict(type='BN')),
    test_cfg=dict(mode='whole'))
"""
)
DETECTION = (
    RUNTIME
    + """
default_scope = 'mmdet'
data_root = {root!r}
def dataset(test_mode):
    return dict(
        type='CocoDataset', data_root=data_root, ann_file='coco.json', data_prefix=dict(img='img/'),
        metainfo=dict(classes=('a',)), test_mode=test_mode,
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
                  dict(type='Resize', scale=(64, 64)), dict(type='PackDetInputs')])
train_dataloader = dict(batch_size=2, sampler=dict(type='InfiniteSampler'), dataset=dataset(False))
val_dataloader = test_dataloader = dict(batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False),
                                        dataset=dataset(True))
val_evaluator = test_evaluator = dict(type='CocoMetric', ann_file=data_root + '/coco.json', metric='bbox')
model = dict(
    type='RetinaNet', data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=18, base_channels=8),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=4),
    bbox_head=dict(
        type='RetinaHead', num_classes=1, in_channels=8, feat_channels=8, stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[4, 8, 16, 32]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True), loss_bbox=dict(type='L1Loss')),
    train_cfg=dict(assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, ignore_iof_thr=-1),
                   sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms_pre=10, score_thr=0., nms=dict(type='nms', iou_threshold=0.5), max_per_img=3))
del dataset
"""
)
CONFIGS = {'mmseg': SEMANTIC, 'mmdet': DETECTION}


@pytest.fixture(scope='module')
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a four-picture data set and a config of each scope."""
    work = tmp_path_factory.mktemp('tools')
    numbers = np.random.default_rng(0)
    annotations, images = [], []
    for folder in ('img', 'sem'):
        (work / 'data' / folder).mkdir(parents=True)
    for i in range(4):
        cv2.imwrite(str(work / f'data/img/{i}.png'), numbers.integers(0, 255, (64, 64, 3), np.uint8))
        cv2.imwrite(str(work / f'data/sem/{i}.png'), numbers.integers(0, 2, (64, 64), np.uint8))
        images.append(dict(id=i, file_name=f'{i}.png', height=64, width=64))
        annotations.append(dict(id=i + 1, image_id=i, category_id=1, bbox=[8, 8, 16, 16], area=256, iscrowd=0))
    (work / 'data/coco.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=[dict(id=1, name='a')]))
    )
    for scope, text in CONFIGS.items():
        (work / f'{scope}.py').write_text(text.format(root=str(work / 'data')))
    return work


def run_tool(work: Path, tool: str, *args: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / 'tools' / tool, *map(str, args)],
        cwd=work,
        capture_output=True,
        text=True,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
    )


@pytest.mark.parametrize('scope', CONFIGS)
def test_train_resume_test_and_pictures(work: Path, scope: str) -> None:
    pytest.importorskip(scope)
    # What mim adds is `--launcher none`, before the user's own arguments.
    trained = run_tool(work, 'train.py', f'{scope}.py', '--launcher', 'none', '--work-dir', scope)
    assert trained.returncode == 0, trained.stderr
    resumed = run_tool(
        work, 'train.py', f'{scope}.py', '--work-dir', scope, '--resume', '--cfg-options', 'train_cfg.max_iters=4'
    )
    assert resumed.returncode == 0, resumed.stderr
    assert 'resumed epoch: 0, iter: 2' in resumed.stdout + resumed.stderr
    checkpoint = work / scope / 'iter_4.pth'
    tested = run_tool(
        work,
        'test.py',
        f'{scope}.py',
        checkpoint,
        '--work-dir',
        scope,
        '--show-dir',
        'shown',
        '--out',
        'out.pkl',
        '--local-rank',
        '0',
    )
    assert tested.returncode == 0, tested.stderr
    pictures = sorted((work / 'shown').glob('*.png'))
    assert len(pictures) == 4 and cv2.imread(str(pictures[0])).std() > 0
    assert (work / 'out.pkl').stat().st_size > 0
    for file in [*pictures, work / 'out.pkl']:
        file.unlink()
    if scope == 'mmseg':
        kept = run_tool(work, 'test.py', 'mmseg.py', checkpoint, '--out', 'maps')
        assert kept.returncode == 0, kept.stderr
        assert cv2.imread(str(work / 'maps/0.png'), cv2.IMREAD_UNCHANGED).shape == (64, 64)


class RunsWhenRead:
    """Unpickling it writes a file."""

    def __reduce__(self):
        return open, ('it_ran', 'w')


def test_errors_are_one_line_with_a_remedy(work: Path) -> None:
    pytest.importorskip('mmseg')
    torch.save(dict(state_dict=torch.nn.Linear(2, 2).state_dict()), work / 'other.pth')
    torch.save(dict(state_dict={}, meta=RunsWhenRead()), work / 'evil.pth')
    for tool, args, wanted in [
        ('train.py', ['no-such.py'], 'no config is called'),
        ('train.py', ['mmseg.py', '--cfg-options', 'model.decode_head.chanels=8'], 'chanels'),
        ('train.py', ['mmseg.py', '--resume', 'other.pth'], 'belongs to another model'),
        ('test.py', ['mmseg.py', 'other.pth'], 'belongs to another model'),
        ('test.py', ['mmseg.py', 'evil.pth'], 'could run code'),
    ]:
        refused = run_tool(work, tool, *args)
        lines = [line for line in refused.stderr.splitlines() if line.startswith('error:')]
        assert refused.returncode == 1 and len(lines) == 1 and wanted in lines[0], (tool, args, refused.stderr)
        assert 'Traceback' not in refused.stderr, (tool, args)
    assert not (work / 'it_ran').exists()


def test_traceback_on_request(work: Path) -> None:
    shown = run_tool(work, 'train.py', 'no-such.py', '--traceback')
    assert shown.returncode == 1 and 'Traceback' in shown.stderr
