"""Every command in every situation that a user meets: kinds of images, of configs, of data sets, of heads."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

NUMBERS = np.random.default_rng(0)
FUSED = """
model.update(decode_head=dict(
    type='FusionSegformerHead', upsample_cfg=dict(type='FreqFusion', compressed_channels=4), channels=8,
    in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], num_classes=2, norm_cfg=dict(type='BN')))
"""
CASCADE = """
second = dict(type='OCRHead', in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], input_transform='resize_concat',
              channels=8, ocr_channels=4, num_classes=2, norm_cfg=dict(type='BN'))
model.update(type='CascadeEncoderDecoder', num_stages=2, decode_head=[model['decode_head'], second])
"""
LAZY = """
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.evaluation import IoUMetric
from mmseg.models import EncoderDecoder, ResNet, SegDataPreProcessor
from torch.optim import SGD

from freqfusion_mm.models.decode_heads import FusionSegformerHead

default_scope = 'mmseg'
pipeline = [dict(type=LoadImageFromFile), dict(type=LoadAnnotations), dict(type=PackSegInputs)]
dataset = dict(
    type=BaseSegDataset, data_root={root!r}, img_suffix='.png', data_prefix=dict(img_path='img', seg_map_path='sem'),
    metainfo=dict(classes=('a', 'b'), palette=[[200, 0, 0], [0, 0, 200]]), pipeline=pipeline)
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type=InfiniteSampler), dataset=dataset)
val_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False), dataset=dataset)
test_dataloader = val_dataloader
val_evaluator = dict(type=IoUMetric, iou_metrics=['mIoU'])
test_evaluator = val_evaluator
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
train_cfg = dict(type=IterBasedTrainLoop, max_iters=1, val_interval=1)
val_cfg, test_cfg = dict(type=ValLoop), dict(type=TestLoop)
default_hooks = dict(checkpoint=dict(type=CheckpointHook, by_epoch=False, interval=1))
model = dict(
    type=EncoderDecoder,
    data_preprocessor=dict(type=SegDataPreProcessor, size=(64, 64), bgr_to_rgb=True, mean=[120.] * 3, std=[60.] * 3),
    backbone=dict(type=ResNet, depth=18, base_channels=4, norm_cfg=dict(type='BN')),
    decode_head=dict(
        type=FusionSegformerHead, upsample_cfg=dict(type='FreqFusion', compressed_channels=4), channels=8,
        in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], num_classes=2, norm_cfg=dict(type='BN')),
    test_cfg=dict(mode='whole'))
"""
CONCATENATED = """
other = dict(dataset, data_prefix=dict(img_path='more/img', seg_map_path='more/sem'))
both = dict(type='ConcatDataset', datasets=[dataset, other])
train_dataloader.update(dataset=dict(type='RepeatDataset', times=2, dataset=both))
val_dataloader.update(dataset=both)
"""
SIGMOID = """
model['decode_head'].update(out_channels=1, threshold=0.3, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
"""
MANY = """
model['decode_head'].update(num_classes=300)
names, colours = tuple(f'class {i}' for i in range(300)), [[i % 256, i // 256, 7] for i in range(300)]
for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader['dataset'].update(metainfo=dict(classes=names, palette=colours))
"""


def photos(world, shared):
    for file in sorted(shared('data/coco_subset/images').rglob('*.jpg'))[:2]:
        with Image.open(file) as photo:
            world.image(file.name, np.asarray(photo.convert('RGB').resize((photo.width // 4, photo.height // 4))))
    return world.config(FUSED + 'train_dataloader.update(batch_size=1)', suffix='.jpg')


def kind_of_image(pixels, suffix='.png', **options):
    def prepare(world, shared):
        for name in ('one', 'two'):
            world.image(f'{name}{suffix}', pixels, **options)
        return world.config(FUSED, suffix=suffix)

    return prepare


def turned(world, shared):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ('one', 'two'):
        world.image(f'{name}.jpg', NUMBERS.integers(0, 256, (48, 72, 3), np.uint8), exif=exif)
    return world.config(FUSED, suffix='.jpg')


def truncated(world, shared):
    for name in ('bad', 'one', 'two'):
        world.image(f'{name}.jpg')
    bad = world.folder / 'data/img/bad.jpg'
    bad.write_bytes(bad.read_bytes()[:900])
    return world.config(FUSED, suffix='.jpg')


def changed(changes):
    def prepare(world, shared):
        for name in ('one', 'two'):
            world.image(f'{name}.png')
        return world.config(FUSED + changes)

    return prepare


def lazy(world, shared):
    for name in ('one', 'two'):
        world.image(f'{name}.png')
    (world.folder / 'lazy.py').write_text(LAZY.format(root=str(world.folder / 'data')))
    return world.folder / 'lazy.py'


def concatenated(world, shared):
    for name in ('one', 'two'):
        world.image(f'{name}.png')
    (world.folder / 'data/more').mkdir()
    for folder in ('img', 'sem'):
        (world.folder / 'data/more' / folder).mkdir()
        for file in (world.folder / 'data' / folder).glob('*.png'):
            (world.folder / 'data/more' / folder / file.name).write_bytes(file.read_bytes())
    return world.config(FUSED + CONCATENATED)


SITUATIONS = {
    'photos': photos,
    'grey': kind_of_image(NUMBERS.integers(0, 256, (48, 72), np.uint8)),
    '16 bits': kind_of_image(NUMBERS.integers(0, 65536, (48, 72), np.uint16)),
    'alpha': kind_of_image(NUMBERS.integers(0, 256, (48, 72, 4), np.uint8)),
    'turned': turned,
    'truncated': truncated,
    'cascade': changed(CASCADE),
    'lazy': lazy,
    'concatenated': concatenated,
    'sigmoid': changed(SIGMOID),
    'many classes': changed(MANY),
}


@pytest.mark.slow
@pytest.mark.parametrize('situation', SITUATIONS)
def test_every_command(situation, world, shared, command):
    config = SITUATIONS[situation](world, shared)
    weights = world.weights(config)
    images = world.folder / 'data/img'
    count = {'truncated': 2, 'concatenated': 4}.get(situation, 2)
    bad = situation == 'truncated'

    def run(*arguments):
        done = command(*arguments)
        assert done.status == int(bad), (arguments, done.out, done.err)
        assert not bad or 'bad.jpg' in done.err.splitlines()[-1], arguments
        return done.out

    run('train', config, '--work-dir', 'work')
    assert Path('work/iter_1.pth').is_file()
    run('test', config, weights, '--work-dir', 'tested', '--out', 'maps', '--show-dir', 'shown')
    maps, shown = sorted(Path('maps').rglob('*.png')), sorted(Path('shown').rglob('*.png'))
    assert len(maps) == len(shown) == count
    run('infer', images, '--model', config, '--weights', weights, '--out', 'inferred')
    labels = sorted(Path('inferred').rglob('*_labels.png'))
    assert len(labels) == 2
    tested = {file.stem: np.asarray(Image.open(file)) for file in maps}
    for file in labels:
        inferred = np.asarray(Image.open(file))
        np.testing.assert_array_equal(inferred, tested[file.name.removesuffix('_labels.png')])
        assert inferred.dtype == (np.uint16 if situation == 'many classes' else np.uint8)
        overlay = Image.open(str(file).replace('_labels', '_overlay'))
        assert overlay.width == inferred.shape[1] and overlay.height > inferred.shape[0]

    pair = ('--model', config, weights)
    run('side-by-side', *pair, '--images', *range(count + bad), '--out', 'side.png')
    assert Image.open('side.png').width > 300
    run('similarity', *pair, '--layer', 'backbone:0', '--edge', 3, '--out', 'similarity.csv')
    with open('similarity.csv') as file:
        pixels = {row['region']: int(row['pixels']) for row in csv.DictReader(file) if row['class'] == 'all'}
    assert pixels['whole image'] > pixels['boundary band (3)'] > 0
    run('boundaries', *pair, '--widths', 1, 4, '--out', 'borders')
    assert Path('borders/trimap.png').is_file()
    run('robustness', *pair, '--corruptions', '--shifts', 2, '--out', 'robust')
    assert Path('robust/robustness.png').is_file()

    def succeed(*arguments):  # these two read no image
        done = command(*arguments)
        assert done.status == 0, (arguments, done.err)

    good = sorted(file for file in images.iterdir() if file.stem != 'bad')[0]
    label = world.folder / 'data/sem' / f'{good.stem}.png'
    pytest.importorskip('jinja2')
    succeed('explain', config, weights, good, '--labels', label, '--out', 'page.html', '--figures', 'figures')
    page = Path('page.html').read_text()
    assert 'FreqFusion' in page and 'consistency' in page and list(Path('figures').glob('*.png'))
    if bad:
        refused = command('explain', config, weights, images / 'bad.jpg', '--out', 'no.html')
        assert refused.status == 1 and 'bad.jpg cannot be read' in refused.err and not Path('no.html').exists()

    succeed('convert', config, weights, '--out', 'converted.pth')
    assert Path('converted.pth').is_file()
    pytest.importorskip('onnx')
    succeed('export', config, '--weights', weights, '--out', 'model.onnx', '--labels', '--size', 64, 96)
    assert Path('model.onnx').stat().st_size > 10000


def test_the_first_time_with_resume_begins_from_the_pretrained_weights(world, command):
    """As in a script that is started again and again until it is through."""
    for name in ('one', 'two'):
        world.image(f'{name}.png')
    config = world.config("load_from = 'weights.pth'\noptim_wrapper.update(optimizer=dict(type='SGD', lr=0.))")
    weights = torch.load(world.weights(config))['state_dict']
    done = command('train', config, '--work-dir', 'work', '--resume')
    assert done.status == 0 and 'no checkpoint in work yet: training begins from weights.pth' in done.out, done.err
    trained = torch.load('work/iter_1.pth', weights_only=False)['state_dict']
    assert torch.equal(trained['backbone.conv1.weight'], weights['backbone.conv1.weight'])
    done = command('train', config, '--work-dir', 'work', '--resume', '--cfg-options', 'train_cfg.max_iters=2')
    assert done.status == 0 and 'begins from' not in done.out and Path('work/iter_2.pth').is_file()
