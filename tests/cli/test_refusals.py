"""What a command refuses, it refuses before its work, in one line: images that differ, places to write, settings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

OTHER = "dataset.update(data_prefix=dict(img_path='other/img', seg_map_path='other/sem'))\n"
#: It reduces keys and values by a convolution of 8x8: a map must have that many pixels.
MIT = """
model.update(backbone=dict(type='MixVisionTransformer', embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 2, 4]))
model['decode_head'].update(in_channels=32)
"""


@pytest.fixture
def two(world):
    """A world of three images, its config and weights of it."""
    for name in ('a', 'b', 'c'):
        world.image(f'{name}.png')
    config = world.config()
    return world, config, world.weights(config)


@pytest.mark.parametrize('command_name', ['side-by-side', 'boundaries', 'similarity', 'robustness'])
def test_models_are_compared_on_the_same_images(command_name, two, command):
    world, config, weights = two
    for names in ('ab', 'abd', 'abc'):
        for path in (world.folder / 'data/other').rglob('*.png'):
            path.unlink()
        for name in names:
            for kind in ('img', 'sem'):
                copy = world.folder / 'data/other' / kind / f'{name}.png'
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes((world.folder / 'data' / kind / 'a.png').read_bytes())
        other = world.config(OTHER, 'other.py')
        more = {
            'side-by-side': ['--out', 'side.png'],
            'similarity': ['--layer', 'backbone.layer1', '--out', 'similarity.csv'],
            'robustness': ['--corruptions', '--shifts', 1, '--out', 'robust'],
            'boundaries': ['--out', 'borders'],
        }[command_name]
        done = command(command_name, '--model', config, weights, '--model', other, weights, *more)
        wanted = dict(ab='3 and 2', abd='number 2 is c.png, d.png', abc='')[names]
        if wanted:
            assert done.status == 1 and f'those of config and other differ ({wanted})' in done.err
        else:  # copies elsewhere are the same images
            assert done.status == 0, done.err


def test_a_place_that_cannot_be_written_to(two, command):
    world, config, weights = two
    (world.folder / 'folder').mkdir()
    (world.folder / 'file').touch()
    image, given = world.folder / 'data/img/a.png', ('--model', config, weights)
    Image.open(image).save('photo.jpg')
    for arguments, said in (
        (('explain', config, weights, image, '--out', 'folder'), 'folder is a folder'),
        (('explain', config, weights, image, '--figures', 'file'), 'file is a file'),
        (('export', config, '--weights', weights, '--out', 'folder'), 'folder is a folder'),
        (('export', config, '--out', 'm.onnx', '--opset', 0), 'opset must be one of 16 to 20, got 0'),
        (('export', config, '--out', 'm.onnx', '--device', 'cuda:99'), 'cuda:99 is asked for, and torch sees'),
        (('similarity', *given, '--layer', 'backbone.layer1', '--out', 'folder'), 'folder is a folder'),
        (('gridding', '--out', 'grid.png', '--values', 'folder'), 'folder is a folder'),
        (('infer', image, '--model', config, '--weights', weights, '--out', 'file'), 'file is a file'),
        (('infer', image, '--model', config, '--weights', weights, '--out', 'file/below'), 'file is a file'),
        (('boundaries', *given, '--out', 'file'), 'file is a file'),
        (('robustness', *given, '--out', 'file'), 'file is a file'),
        (('test', config, weights, '--show-dir', 'file'), 'file is a file'),
        (('test', config, weights, '--out', 'file'), 'file is a file'),
        (('test', config, weights, '--out', 'both', '--show-dir', './both'), '--out and --show-dir are both both'),
        (('test', config, weights, '--out', 'maps.json'), 'got maps.json, which is the name of a file'),
        (('zoo-check', '--out', 'file'), 'file is a file'),
        (('gridding', '--out', 'grid.png', '--values', './grid.png'), '--out and --values are both grid.png'),
        (
            ('gridding', '--out', 'grid.png', '--model', config, '--weights', weights, '--seeds', 3),
            'leave them out with --model',
        ),
        (('side-by-side', *given, '--images', 0, '--out', 'photo.jpg'), 'was not written by this tool'),
    ):
        done = command(*arguments)
        assert done.status == 1 and said in done.err, (arguments, done.err)
    assert not Path('maps.json').exists()


def test_one_image_that_the_network_does_not_take_costs_that_image_alone(world, command):
    for name in ('a', 'c'):
        world.image(f'{name}.png')
    world.image('b_thin.png', np.zeros((48, 1, 3), np.uint8))
    plain = world.config(MIT)
    weights = world.weights(plain)
    done = command('infer', 'data/img', '--model', plain, '--weights', weights, '--out', 'out')
    assert done.status == 1 and '2 images in out' in done.out
    assert '1 image left out: ' in done.err and 'b_thin.png cannot be predicted: Calculated padded input' in done.err
    halved = "pipeline.insert(1, dict(type='Resize', scale_factor=0.25))\n"
    halving = world.config(halved, 'halving.py')
    done = command('infer', 'data/img', '--model', halving, '--weights', world.weights(halving), '--out', 'half')
    assert done.status == 1 and '2 images in half' in done.out
    assert 'b_thin.png cannot be used: Resize: ' in done.err


def test_settings_that_only_a_run_would_use(two, command):
    _, config, weights = two
    for option, said in (
        ('optim_wrapper.optimizer.type=Addam', "there is no optimizer 'Addam'; the nearest are: Adam"),
        ('optim_wrapper.type=AmpOptimWrapper', 'AssertionError'),
        ('optim_wrapper.optimizer.lrr=1', 'lrr'),
    ):
        done = command('train', config, '--work-dir', 'work', '--cfg-options', option)
        assert done.status == 1 and said in done.err and not list(Path('work').glob('*.pth')), done.err
    done = command('export', config, '--weights', weights, '--out', 'm.onnx', '--size', 0, 0)
    assert done.status == 1 and 'does not take an image of --size 0 0' in done.err


def test_an_optimizer_of_the_framework_itself(two, command):
    """It is in the framework's registry, in which mmengine's own does not look."""
    from mmseg.registry import OPTIMIZERS

    _, config, _ = two
    OPTIMIZERS.register_module(name='Ours', module=torch.optim.SGD, force=True)
    done = command('train', config, '--work-dir', 'work', '--cfg-options', 'optim_wrapper.optimizer.type=Ours')
    assert done.status == 0 and list(Path('work').glob('*.pth')), done.err


def test_a_tensor_that_is_none(world, command):
    photo = world.image('a.png', size=(64, 64))
    (world.folder / 'notes.txt').write_text('notes')
    torch.save([1], world.folder / 'list.pt')
    torch.save({'features': torch.zeros(4, 8, 8)}, world.folder / 'dict.pt')
    for arguments, said in (
        (('--features', 'notes.txt'), 'notes.txt is none'),
        (('--features', 'list.pt'), 'list.pt is none'),
        (('--features', 'dict.pt'), 'dict.pt is none'),
        (('--steps', -1), '--steps wants 0 or more, got -1'),
    ):
        done = command('compare', photo, '--out', 'sheet.png', *arguments)
        assert done.status == 1 and said in done.err


def test_classes_in_another_order_than_the_checkpoint_has(two, command):
    """Every label would count as another one; by the checkpoint's own names, `infer` is right."""
    world, config, weights = two
    saved = torch.load(weights)
    torch.save(saved | dict(meta=dict(dataset_meta=dict(classes=('b', 'a')))), 'other.pth')
    said = "other.pth was trained with the classes in another order: number 0 is 'b' there and 'a' in the data set"
    for arguments in (
        ('test', config, 'other.pth'),
        ('boundaries', '--model', config, 'other.pth', '--out', 'borders'),
        ('train', config, '--resume', 'other.pth'),
    ):
        done = command(*arguments)
        assert done.status == 1 and said in done.err, done.err
    turned = world.config("dataset['metainfo'] = dict(classes=('b', 'a'))\n", 'turned.py')
    assert command('test', turned, 'other.pth').status == 0  # the remedy
    assert command('infer', 'data/img', '--model', config, '--weights', 'other.pth', '--out', 'out').status == 0


def test_parts_that_a_config_lacks(two, command):
    world, config, weights = two
    for changes, arguments, said in (
        ('test_evaluator = None', ('test', 'less.py', weights), 'less.py has no test_evaluator, which this command'),
        ('train_cfg = optim_wrapper = None', ('train', 'less.py'), 'less.py has no train_cfg, no optim_wrapper, which'),
        (
            'test_dataloader = test_cfg = test_evaluator = None',
            ('infer', 'data/img', '--model', 'less.py', '--weights', weights, '--out', 'out'),
            'the config has no test_dataloader with a data set and its pipeline',
        ),
        (
            'dataset.update(pipeline=[pipeline[0], pipeline[2]])',
            ('boundaries', '--model', 'less.py', weights, '--out', 'borders'),
            'the test pipeline must read it (LoadAnnotations)',
        ),
    ):
        world.config(f'{changes}\n', 'less.py')
        done = command(*arguments)
        assert done.status == 1 and said in done.err, done.err


def test_a_small_image_is_left_out_of_every_shift_by_name(two, command):
    world, config, weights = two
    world.image('d_small.png', size=(48, 30))
    done = command('robustness', '--model', config, weights, '--corruptions', '--shifts', 1, 40, '--out', 'robust')
    assert done.status == 1 and Path('robust/robustness.csv').exists()
    assert '1 image left out: ' in done.err
    assert 'd_small.png cannot be used: it has 48x30 pixels, ' in done.err and 'at least 41x41' in done.err


def test_a_name_that_the_terminal_cannot_print(two, command):
    world, config, weights = two
    Path('data/img/a.png').rename(b'data/img/caf\xe9.png'.decode(errors='surrogateescape'))
    done = command('infer', 'data/img', '--model', config, '--weights', weights, '--out', 'out')
    assert done.status == 0 and '\ncaf\\udce9: ' in done.out and '3 images in out' in done.out
