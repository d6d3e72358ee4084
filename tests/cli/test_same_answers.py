"""Every command answers what a test answers, and refuses what it cannot serve before any work."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

RESIZED = """
for loader in (val_dataloader, test_dataloader):
    loader['dataset'] = dict(dataset, pipeline=[pipeline[0], dict(type='Resize', scale=(96, 64)), *pipeline[1:]])
"""
KINDS = {
    'a threshold': "model['decode_head'].update(out_channels=1, threshold=0.7,"
    " loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))",
    'padding in tests': "model['data_preprocessor'].update(test_cfg=dict(size_divisor=64))",
    'a size in tests': "model['data_preprocessor'].update(test_cfg=dict(size=(96, 128)))",
    'a sliding window': "model.update(test_cfg=dict(mode='slide', crop_size=(32, 32), stride=(20, 20)))",
    'another size': RESIZED,
    'labels from 1': 'for loader in (val_dataloader, test_dataloader):\n'
    "    loader['dataset'] = dict(dataset, reduce_zero_label=True)",
    'scoped names': "for step in pipeline:\n    step['type'] = 'mmseg.' + step['type']"
    " if 'Image' not in step['type'] else 'mmcv.' + step['type']",
}


def edit(state_dict):
    """A balanced answer: both classes occur."""
    torch.manual_seed(1)
    for key, value in state_dict.items():
        if key.startswith('decode_head.conv_seg'):
            value.copy_(torch.randn_like(value))


QUICK = ('a threshold', 'a sliding window', 'labels from 1')


@pytest.mark.parametrize('kind', [k if k in QUICK else pytest.param(k, marks=pytest.mark.slow) for k in KINDS])
def test_infer_gives_the_maps_of_a_test(kind, world, command, shared):
    world.image('x/photo.png')
    world.image('y/photo.png', size=(50, 61))
    real = Image.open(shared('data/loveda/img_0.png')).convert('RGB').resize((120, 100))
    world.image('y/real.png', np.asarray(real))
    config = world.config(KINDS[kind])
    weights = world.weights(config, edit=edit)
    done = command('test', config, weights, '--work-dir', 'work', '--out', 'maps')
    assert done.status == 0, done.err
    done = command('infer', 'data/img', '--model', config, '--weights', weights, '--out', 'inferred')
    assert done.status == 0 and '3 images in' in done.out, done.err
    for name in ('x/photo', 'y/photo', 'y/real'):
        tested = np.asarray(Image.open(f'maps/{name}.png'))
        inferred = np.asarray(Image.open(f'inferred/{name}_labels.png'))
        np.testing.assert_array_equal(tested, inferred)
        assert tested.shape == np.asarray(Image.open(f'data/img/{name}.png')).shape[:2]
        assert set(np.unique(tested)) <= ({1, 2} if kind == 'labels from 1' else {0, 1})


@pytest.mark.parametrize('kind', ['a threshold', 'a sliding window', 'plain'])
def test_exported_labels_are_those_of_the_model(kind, world, command):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    from freqfusion_mm.apis import init_model

    config = world.config(KINDS.get(kind, ''))
    weights = world.weights(config, edit=edit)
    done = command('export', config, '--weights', weights, '--out', 'm.onnx', '--labels', '--size', 64, 96)
    assert done.status == 0 and ('slides a window' in done.err) == (kind == 'a sliding window')
    model = init_model(config, weights, 'cpu')
    session = onnxruntime.InferenceSession('m.onnx', providers=['CPUExecutionProvider'])
    for size in ((64, 96), (72, 40)):
        image = torch.randn(2, 3, *size)
        with torch.no_grad():
            logits = model.whole_inference(image, [dict(img_shape=size, ori_shape=size, pad_shape=size)] * 2)
            wanted = [sample.pred_sem_seg.data[0].long() for sample in model.postprocess_result(logits)]
        found = torch.from_numpy(session.run(None, dict(image=image.numpy()))[0])
        torch.testing.assert_close(found, torch.stack(wanted))


def test_predictions_alone_show_nothing_of_the_images(world, command):
    for name in ('one', 'two'):
        world.image(f'{name}.png')
    config = world.config()
    drawing = ('side-by-side', '--model', config, world.weights(config, edit=edit), '--images', 0, 1)
    colours = []
    for options in ((), ('--predictions-only',)):
        done = command(*drawing, *options, '--out', 'side.png')
        assert f'2 rows of {1 if options else 3} pictures' in done.out, done.err
        pixels = np.unique(np.asarray(Image.open('side.png').convert('RGB')).reshape(-1, 3), axis=0).astype(int)
        colours.append(sum(np.ptp(pixels, axis=1) > 0))  # the title is grey
    assert colours[0] > 1000 and 1 <= colours[1] <= 2  # one a class


@pytest.mark.slow
@pytest.mark.parametrize('channels, loading', [(1, "color_type='grayscale'"), (4, "color_type='unchanged'")])
def test_other_channels_in_every_command(channels, loading, world, command):
    pytest.importorskip('onnx')
    for name in ('one', 'two'):
        world.image(f'{name}.png', np.random.default_rng(3).integers(0, 256, (48, 72, 4), np.uint8))
    config = world.config(
        "model['data_preprocessor'].update(mean=[99.], std=[50.], bgr_to_rgb=False)\n"
        f"model['backbone'].update(in_channels={channels})\n"
        f"pipeline[0] = dict(type='LoadImageFromFile', {loading})\n"
    )
    weights = world.weights(config)
    for arguments in (
        ('test', config, weights, '--work-dir', 'work', '--out', 'maps', '--show-dir', 'shown'),
        ('infer', 'data/img', '--model', config, '--weights', weights, '--out', 'inferred'),
        ('side-by-side', '--model', config, weights, '--images', 0, 1, '--out', 'side.png'),
        ('export', config, '--out', 'm.onnx', '--size', 64, 64),
    ):
        done = command(*arguments)
        assert done.status == 0, (arguments[0], done.err)
    assert f'{channels} channels' in done.out


DEPTH = """
model.update(type='DepthEstimator', decode_head=dict(
    type='FusionDepthHead', in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], channels=8, max_depth=5.0,
    upsample_cfg=dict(type='bilinear'), norm_cfg=dict(type='BN'), align_corners=False))
test_dataloader = dict(dataset=dict(type='NYUDataset', data_root='gone', pipeline=[
    dict(type='LoadImageFromFile'), dict(type='LoadDepthAnnotation', depth_rescale_factor=0.002), pipeline[2]]))
"""


def test_depth(world, command):
    from freqfusion_mm.apis import inference, init_model

    photo = world.image('photo.png')
    config = world.config(DEPTH)
    weights = world.weights(config)
    done = command('infer', photo, '--model', config, '--weights', weights, '--out', 'out')
    assert done.status == 0 and 'depth' in done.out, done.err
    depth = inference(init_model(config, weights, 'cpu'), photo).pred_depth_map.data[0].numpy()
    written = np.asarray(Image.open('out/photo_depth.png'))
    assert written.dtype == np.uint16 and np.abs(written * 0.002 - depth).max() <= 0.001 + 1e-6
    assert Image.open('out/photo_overlay.png').size == (72, 48)
    refused = command('export', config, '--out', 'm.onnx', '--labels', '--size', 64, 64)
    assert refused.status == 1 and 'no class numbers' in refused.err and not Path('m.onnx').exists()
    refused = command('similarity', '--model', config, weights, '--layer', 'backbone:0')
    assert refused.status == 1 and 'Traceback' not in refused.err


def test_several_metrics_and_their_labels(world, command):
    """Maps are kept whatever the evaluator is; who ignores what is said where they disagree."""
    world.image('one.png')
    config = world.config(
        "log_level = 'WARNING'\n"
        "test_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=254),"
        " dict(type='IoUMetric', iou_metrics=['mFscore'], prefix='f', ignore_index=254)]"
    )
    done = command('test', config, world.weights(config), '--work-dir', 'work', '--out', 'maps')
    assert done.status == 0 and Path('maps/one.png').is_file(), done.err
    assert '254 is left out here' in (done.out + done.err + log_of('work'))


@pytest.mark.slow
def test_explain_leaves_out_what_the_metric_ignores(world, command):
    pytest.importorskip('jinja2')
    photo = world.image('one.png')
    label = world.folder / 'data/sem/one.png'
    numbers = np.asarray(Image.open(label)).copy()
    numbers[:9] = 254
    Image.fromarray(numbers).save(label)
    fused = (
        "model.update(decode_head=dict(type='FusionSegformerHead', upsample_cfg=dict(type='DySample', groups=4),"
        ' in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], channels=8, num_classes=2))\n'
    )
    explain = ('--labels', label, '--out', 'page.html')
    config = world.config(fused)
    weights = world.weights(config)
    refused = command('explain', config, weights, photo, *explain)
    assert refused.status == 1 and 'numbers from 0 to 254' in refused.err
    config = world.config(fused + "test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=254)")
    done = command('explain', config, weights, photo, *explain)
    assert done.status == 0 and Path('page.html').is_file(), done.err


def log_of(work_dir):
    return ''.join(file.read_text() for file in Path(work_dir).rglob('*.log'))


@pytest.mark.parametrize(
    'pipeline',
    [
        '',
        "tta_pipeline = [pipeline[0], dict(type='TestTimeAug', transforms=["
        "[dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (1.0, 1.5)],"
        "[dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]",
    ],
)
def test_augmented_views(pipeline, world, command):
    from freqfusion_mm.apis import inference, init_model, load_config
    from freqfusion_mm.apis.runner import _with_mirror_image

    photo = world.image('one.png')
    config = world.config(f"tta_model = dict(type='SegTTAModel')\n{pipeline}")
    weights = world.weights(config, edit=edit)
    done = command('test', config, weights, '--work-dir', 'work', '--tta', '--out', 'maps', '--show-dir', 'shown')
    assert done.status == 0 and Path('shown/one.png').is_file(), done.err
    if not pipeline:  # the mean of the image and its mirror image
        model = init_model(config, weights, 'cpu')
        pixels = np.asarray(Image.open(photo))[..., ::-1]
        logits = [inference(model, np.ascontiguousarray(image)).seg_logits.data for image in (pixels, pixels[:, ::-1])]
        mean = logits[0].softmax(0) + logits[1].flip(-1).softmax(0)
        assert (np.asarray(Image.open('maps/one.png')) == mean.argmax(0).numpy()).mean() > 0.999
        steps = load_config(config).test_dataloader.dataset.pipeline
        (names,) = (step['meta_keys'] for step in _with_mirror_image(steps)[-1]['transforms'][-1])
        assert {'seg_map_path', 'sample_idx', 'img_path'} <= set(names)  # metrics and pictures ask for them
    refused = command('test', world.config(), weights, '--tta')
    assert refused.status == 1 and 'wants tta_model' in refused.err


def test_what_is_there_is_not_overwritten_and_never_read_again(world, command):
    world.image('one.png')
    config = world.config()
    weights = world.weights(config)
    infer = ('infer', 'data/img', '--model', config, '--weights', weights, '--out', 'data/img')
    for _ in range(2):
        done = command(*infer)
        assert done.status == 0 and '1 images in' in done.out, done.err
    mine = world.image('two_labels.png')
    world.image('two.png')
    before = mine.read_bytes()
    refused = command(*infer)
    assert refused.status == 1 and 'two_labels.png would be overwritten' in refused.err and mine.read_bytes() == before
    Path('maps').mkdir()
    Path('maps/one.png').write_bytes(before)
    refused = command('test', config, weights, '--work-dir', 'work', '--out', 'maps')
    assert refused.status == 1 and 'one.png would be overwritten' in refused.err


def test_models_that_no_picture_is_drawn_for(world, command):
    """A classifier is refused by `infer` before an image is read."""
    from mmengine.model import BaseModel
    from mmengine.registry import MODELS

    class Unheard(BaseModel):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            raise AssertionError('it must not run')

    MODELS.register_module(module=Unheard, force=True)
    world.image('one.png')
    config = world.config("model = dict(type='mmengine.Unheard')")
    torch.save(dict(state_dict={}), 'none.pth')
    for arguments in (
        ('infer', 'data/img', '--model', config, '--weights', 'none.pth', '--out', 'out'),
        ('export', config, '--out', 'm.onnx'),
        ('test', config, 'none.pth', '--work-dir', 'work', '--out', 'maps'),
        ('similarity', '--model', config, 'none.pth', '--layer', 'x'),
    ):
        refused = command(*arguments)
        assert refused.status == 1 and 'Unheard is no segmentor' in refused.err, arguments
    assert not Path('out').exists() and not Path('maps').exists()
