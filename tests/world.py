"""The smallest models, data sets and configs that a user may have, for tests of apis and commands."""

from pathlib import Path

import numpy as np
from PIL import Image

CONFIG = """
default_scope = 'mmseg'
log_level = 'ERROR'
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1),
                     logger=dict(type='LoggerHook', interval=1))
log_processor = dict(by_epoch=False)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1, val_interval=1)
val_cfg, test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
dataset = dict(
    type='BaseSegDataset', data_root={root!r}, img_suffix={suffix!r},
    data_prefix=dict(img_path='img', seg_map_path='sem'),
    metainfo=dict(classes=('a', 'b'), palette=[[200, 0, 0], [0, 0, 200]]), pipeline=pipeline)
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=True,
                        sampler=dict(type='InfiniteSampler', shuffle=False), dataset=dataset)
val_dataloader = dict(batch_size=1, num_workers=0, persistent_workers=True,
                      sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64), bgr_to_rgb=True, mean=[120.] * 3, std=[60.] * 3),
    backbone=dict(type='ResNet', depth=18, base_channels=4, norm_cfg=dict(type='BN')),
    decode_head=dict(type='FCNHead', in_channels=32, channels=8, num_convs=1, num_classes=2, norm_cfg=dict(type='BN')),
    test_cfg=dict(mode='whole'))
{changes}
"""


class World:
    """A folder with images, labels, configs and weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def image(self, name, pixels=None, size=(48, 72), **options):
        """Writes an image of this name, random unless pixels are given, and labels 0 and 1 of its size as shown."""
        path = self.folder / 'data/img' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if pixels is None:
            pixels = np.random.default_rng(len(name)).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(path, **options)
        turned = options.get('exif') is not None
        height, width = pixels.shape[:2][::-1] if turned else pixels.shape[:2]
        labels = (np.add.outer(np.arange(height), np.arange(width)) // 9 % 2).astype(np.uint8)
        label = (self.folder / 'data/sem' / name).with_suffix('.png')
        label.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(label)
        return path

    def config(self, changes='', name='config.py', suffix='.png'):
        """Writes a config with these lines at its end."""
        (self.folder / name).write_text(CONFIG.format(root=str(self.folder / 'data'), suffix=suffix, changes=changes))
        return self.folder / name

    def weights(self, config, name='weights.pth', edit=None):
        """Random weights of a config's model, after `edit(state_dict)`."""
        import torch

        from freqfusion_mm.apis import init_model

        torch.manual_seed(0)
        state_dict = init_model(config, device='cpu').state_dict()
        if edit:
            edit(state_dict)
        torch.save(dict(state_dict=state_dict), self.folder / name)
        return self.folder / name
