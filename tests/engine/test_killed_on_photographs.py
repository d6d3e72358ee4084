"""`freqfusion-mm train` on photographs, killed and resumed: the weights of the uninterrupted run, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmseg')

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
default_scope = 'mmseg'
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch={by_epoch}, interval={interval}),
                     logger=dict(type='LoggerHook', interval=1), exact_resume=dict(type='ExactResume'))
log_processor = dict(by_epoch={by_epoch})
randomness = dict(seed=7)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))
train_cfg = {loop}
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
            dict(type='RandomResize', scale=(96, 96), ratio_range=(0.5, 2.0), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(32, 32)), dict(type='RandomFlip', prob=0.5),
            dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')]
train_dataloader = dict(batch_size=2, num_workers={workers}, sampler=dict(type={sampler!r}, shuffle=True), dataset=dict(
    type='BaseSegDataset', data_root={root!r}, img_suffix='.jpg', data_prefix=dict(img_path='img', seg_map_path='sem'),
    metainfo=dict(classes=('a', 'b'), palette=[[200, 0, 0], [0, 0, 200]]), pipeline=pipeline))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(32, 32), mean=[120.] * 3, std=[60.] * 3),
    backbone=dict(type='ResNet', depth=18, base_channels=4, norm_cfg=dict(type='BN')),
    decode_head=dict(type='FCNHead', in_channels=32, channels=8, num_convs=1, num_classes=2, dropout_ratio=0.5,
                     norm_cfg=dict(type='BN')))
"""
ITERATIONS = dict(
    loop="dict(type='IterBasedTrainLoop', max_iters=24)",
    by_epoch=False,
    interval=5,
    sampler='InfiniteSampler',
    first='iter_10.pth',
    last='iter_24.pth',
)
EPOCHS = dict(
    loop="dict(type='EpochBasedTrainLoop', max_epochs=8)",
    by_epoch=True,
    interval=2,
    sampler='DefaultSampler',
    first='epoch_4.pth',
    last='epoch_8.pth',
)


def train(config, work_dir, *more):
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    command = [sys.executable, '-m', 'freqfusion_mm', 'train', str(config), '--work-dir', str(work_dir), *more]
    with open(work_dir.with_suffix('.log'), 'a') as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


@pytest.mark.slow
@pytest.mark.parametrize('loop, workers', [(ITERATIONS, 0), (EPOCHS, 2)], ids=['iterations', 'epochs and workers'])
def test_a_kill_changes_nothing(loop, workers, shared, tmp_path):
    for folder in ('img', 'sem'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
    for number, file in enumerate(sorted(shared('data/coco_subset/images').rglob('*.jpg'))[:6]):
        with Image.open(file) as photo:
            small = photo.convert('RGB').resize((120, 90))
        small.save(tmp_path / f'data/img/{number}.jpg')
        grey = np.asarray(small.convert('L'))
        Image.fromarray((grey > np.median(grey)).astype(np.uint8)).save(tmp_path / f'data/sem/{number}.png')
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=str(tmp_path / 'data'), workers=workers, **loop))
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    assert train(config, whole).wait(300) == 0, whole.with_suffix('.log').read_text()[-3000:]
    process, end = train(config, killed), time.monotonic() + 300
    while not (killed / loop['first']).exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)  # with its workers
    process.wait(60)
    assert (killed / loop['first']).exists() and not (killed / loop['last']).exists()
    assert train(config, killed, '--resume').wait(300) == 0, killed.with_suffix('.log').read_text()[-3000:]
    assert 'resumed epoch' in killed.with_suffix('.log').read_text()
    found, wanted = (
        torch.load(folder / loop['last'], weights_only=False, map_location='cpu') for folder in (killed, whole)
    )
    assert found['state_dict'].keys() == wanted['state_dict'].keys()
    for name, value in wanted['state_dict'].items():
        assert torch.equal(found['state_dict'][name], value), name
    moments = wanted['optimizer']['state']
    assert moments and all(
        torch.equal(found['optimizer']['state'][key]['exp_avg'], moment['exp_avg']) for key, moment in moments.items()
    )
