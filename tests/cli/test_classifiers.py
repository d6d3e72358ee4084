"""Classifiers of photographs: whatever evaluates or draws, with a bad file among them, and averaged views."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.slow

CONFIG = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['freqfusion_mm.compat.mmpretrain_imports'])
pipeline = [dict(type='LoadImageFromFile'), dict(type='ResizeEdge', scale=36), dict(type='CenterCrop', crop_size=32),
            dict(type='PackInputs')]
test_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root='photos', with_label=True, pipeline=pipeline))
test_evaluator = dict(type='Accuracy', topk=(1,))
test_cfg = dict()
tta_model = dict(type='AverageClsScoreTTA')
model = dict(
    type='ImageClassifier', data_preprocessor=dict(mean=[120.] * 3, std=[60.] * 3, to_rgb=True, num_classes=2),
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8), neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=64, loss=dict(type='CrossEntropyLoss')))
"""


def test_every_command_that_evaluates_or_draws(world, command, shared):
    for number, file in enumerate(sorted(shared('data/coco_subset/images').rglob('*.jpg'))[:4]):
        folder = world.folder / 'photos' / ('indoors', 'outdoors')[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(file) as photo:
            photo.convert('RGB').reduce(4).save(folder / f'{number}.png')
    bad = world.folder / 'photos/outdoors/3.png'
    bad.write_bytes(bad.read_bytes()[:2000])
    config = world.folder / 'classifier.py'
    config.write_text(CONFIG)
    weights = world.weights(config)

    def run(*arguments):
        done = command(*arguments)
        assert done.status == 1 and done.err.splitlines()[-1].startswith('error: 1 image left out'), (
            arguments,
            done.err,
        )
        assert 'outdoors/3.png cannot be read' in done.err
        return done.out

    run('test', config, weights, '--work-dir', 'work', '--show-dir', 'shown')
    assert sorted(str(file) for file in Path('shown').rglob('*.png')) == [
        'shown/indoors/0.png', 'shown/indoors/2.png', 'shown/outdoors/1.png'
    ]  # fmt: skip
    drawn, photo = (np.asarray(Image.open(f'{root}/indoors/0.png')).astype(int) for root in ('shown', 'photos'))
    assert drawn.shape == photo.shape and 0.3 < (np.abs(drawn - photo).max(axis=2) <= 1).mean() < 1  # words over it
    assert 'accuracy/top1' in run('test', config, weights, '--work-dir', 'work', '--tta')
    run('side-by-side', '--model', config, weights, '--images', 0, 1, 2, 3, '--out', 'side.png')
    assert Path('side.png').is_file()
    run('robustness', '--model', config, weights, '--corruptions', '--shifts', 1, '--out', 'robust')
    refused = command('infer', 'photos', '--model', config, '--weights', weights, '--out', 'inferred')
    assert refused.status == 1 and 'this model does classification' in refused.err and not Path('inferred').exists()


KEPT = """
import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

@DATASETS.register_module(force=True)
class KeptPixels(BaseDataset):
    METAINFO = dict(classes=('a', 'b'))

    def load_data_list(self):
        pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
        return [dict(img=image, gt_label=number % 2) for number, image in enumerate(pixels)]
"""


def test_a_data_set_that_keeps_its_pixels_itself(world, command, monkeypatch):
    """As mmpretrain's CIFAR: no sample has a path, and pictures go by number."""
    (world.folder / 'kept_pixels.py').write_text(KEPT)
    monkeypatch.syspath_prepend(str(world.folder))
    config = world.folder / 'kept.py'
    text = CONFIG.replace("imports'])", "imports', 'kept_pixels'])").replace("dict(type='LoadImageFromFile'), ", '')
    config.write_text(
        text.replace("'CustomDataset', data_root='photos', with_label=True,", "'KeptPixels', ann_file='',")
    )
    weights = world.weights(config)
    for arguments in (
        ('test', config, weights, '--work-dir', 'work', '--show-dir', 'shown'),
        ('side-by-side', '--model', config, weights, '--images', 0, 2, '--out', 'side.png'),
        ('robustness', '--model', config, weights, '--corruptions', 'fog', '--shifts', 1, '--out', 'robust'),
    ):
        done = command(*arguments)
        assert done.status == 0, (arguments, done.err)
    assert sorted(file.name for file in Path('shown').iterdir()) == ['000000.png', '000001.png', '000002.png']
    assert Path('side.png').is_file() and Path('robust/corruptions.png').is_file()


class Look:
    """A step that changes nothing and remembers the pixels."""

    def __call__(self, results):
        self.image = results['img']
        return results


def test_kept_pixels_have_the_colours_that_the_model_sees(world, monkeypatch):
    """No data set says whether its pixels are RGB: those of a model that swaps no channels are, as its mean is."""
    from freqfusion_mm.apis.trained import Trained

    (world.folder / 'kept_pixels.py').write_text(KEPT)
    monkeypatch.syspath_prepend(str(world.folder))
    config = world.folder / 'kept.py'
    text = CONFIG.replace("imports'])", "imports', 'kept_pixels'])").replace("dict(type='LoadImageFromFile'), ", '')
    text = text.replace("'CustomDataset', data_root='photos', with_label=True,", "'KeptPixels', ann_file='',")
    for swaps in (True, False):
        config.write_text(text.replace('to_rgb=True', f'to_rgb={swaps}'))
        trained = Trained(config, world.weights(config), device='cpu')
        kept = trained.dataset.get_data_info(1)['img']
        np.testing.assert_array_equal(trained.pixels(1), kept if swaps else kept[..., ::-1])
        plain, look = trained.dataset[1]['inputs'], Look()
        trained.put_after_reading(look)
        np.testing.assert_array_equal(trained.dataset[1]['inputs'], plain)
        np.testing.assert_array_equal(look.image, trained.pixels(1))
