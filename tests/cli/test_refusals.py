"""What a command refuses, it refuses before its work, in one line: images that differ, places to write, settings."""

from pathlib import Path

import numpy as np
import pytest
import torch

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
            'side-by-side': ['--images', 0, '--out', 'side.png'],
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
    for arguments, said in (
        (('explain', config, weights, image, '--out', 'folder'), 'folder is a folder'),
        (('explain', config, weights, image, '--figures', 'file'), 'file is a file'),
        (('export', config, '--weights', weights, '--out', 'folder'), 'folder is a folder'),
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
