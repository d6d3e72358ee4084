"""The commands convert, infer and gridding, and test on converted weights."""

import csv

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmseg')

from freqfusion_mm import config_path  # noqa: E402
from freqfusion_mm.apis import init_model, read_checkpoint  # noqa: E402

STEM = 'frankfurt_000000_000294'
RELEASED = [
    ('espnet_p2-q8_hff_1xb6-300e_cityscapes-512x1024', 'espnet_p_2_q_8', 'espnet_p2_q8', 0.828),
    ('espnet_p2-q5_hff_1xb6-300e_cityscapes-512x1024', 'espnet_p_2_q_5', 'espnet_p2_q5', 0.865),
    ('espnetv2_s2.0_hff_1xb6-100e_cityscapes-512x1024', 'espnetv2_s_2.0_city_1024x512', 'espnetv2_s2.0_city', 0.948),
]


@pytest.fixture
def succeed(command):
    def succeed(*arguments):
        done = command(*arguments)
        assert done.status == 0, done.err
        return done.out

    return succeed


@pytest.fixture
def fail(command):
    def fail(*arguments):
        done = command(*arguments)
        assert done.status == 1 and 'Traceback' not in done.err
        return done.err

    return fail


def labels_at_network_size(config, weights, image):
    """Before the logits are resized to the image, as the authors compare."""
    from mmengine.dataset import pseudo_collate

    from freqfusion_mm.apis.pixels import ImagePipeline
    from freqfusion_mm.apis.predictions import pipeline_steps

    model = init_model(config, weights, device='cpu')
    sample, _ = ImagePipeline(pipeline_steps(model))(image)
    data = model.data_preprocessor(pseudo_collate([sample]), False)
    with torch.no_grad():
        logits = model.inference(data['inputs'], [sample.metainfo for sample in data['data_samples']])
    return logits[0].argmax(0).numpy()


@pytest.mark.slow
@pytest.mark.parametrize('model, weights, golden, accuracy', RELEASED)
def test_the_real_image_is_reproduced(model, weights, golden, accuracy, shared, tmp_path, succeed):
    image = shared(f'data/cityscapes/{STEM}_leftImg8bit.png')
    printed = succeed(
        'infer', image, '--model', model, '--weights', shared(f'weights/{weights}.pth'), '--out', tmp_path
    )
    written = np.asarray(Image.open(tmp_path / f'{STEM}_leftImg8bit_labels.png'))
    assert written.shape == (1024, 2048)  # of the image, as in a test
    expected = np.asarray(Image.open(shared(f'golden/{golden}_{STEM}.png')))
    labels = labels_at_network_size(model, shared(f'weights/{weights}.pth'), image)
    assert labels.shape == expected.shape and (labels == expected).mean() >= 0.999
    assert (written[::2, ::2] == expected).mean() > 0.97
    truth = np.asarray(Image.open(shared(f'data/cityscapes/{STEM}_gtFine_labelTrainIds_256x128.png')))
    assert (labels[::4, ::4] == truth)[truth != 255].mean() == pytest.approx(accuracy, abs=0.002)
    assert 'building' in printed and 'ms an image' in printed
    assert Image.open(tmp_path / f'{STEM}_leftImg8bit_overlay.png').size[0] == 2048


@pytest.mark.slow
def test_converted_weights_are_evaluated_on_a_cityscapes_folder(shared, tmp_path, succeed):
    out = tmp_path / 'converted.pth'
    printed = succeed(
        'convert',
        'espnetv2_s2.0_hff_1xb6-100e_cityscapes-512x1024',
        shared('weights/espnetv2_s_2.0_city_1024x512.pth'),
        out,
        '--source',
        'EdgeNets',
    )
    assert 'EdgeNets segmentation' in printed
    checkpoint = torch.load(out, weights_only=True)
    assert checkpoint['meta']['dataset_meta']['classes'][-2:] == ['bicycle', 'unlabelled']
    assert len(checkpoint['meta']['dataset_meta']['palette']) == 20
    assert checkpoint['meta']['source'] == 'EdgeNets' and len(checkpoint['meta']['sha256']) == 64
    assert checkpoint['meta']['config'] == 'espnetv2_s2.0_hff_1xb6-100e_cityscapes-512x1024'
    data = tmp_path / 'cityscapes'
    for source, folder, name, resample in (
        (f'{STEM}_leftImg8bit.png', 'leftImg8bit', f'{STEM}_leftImg8bit.png', Image.BILINEAR),
        (f'{STEM}_gtFine_labelTrainIds_256x128.png', 'gtFine', f'{STEM}_gtFine_labelTrainIds.png', Image.NEAREST),
    ):
        target = data / folder / 'val' / 'frankfurt'
        target.mkdir(parents=True)
        Image.open(shared(f'data/cityscapes/{source}')).resize((512, 256), resample).save(target / name)
    printed = succeed(
        'test',
        'espnetv2_s2.0_hff_1xb6-100e_cityscapes-512x1024',
        out,
        '--work-dir',
        tmp_path / 'work',
        '--cfg-options',
        f'test_dataloader.dataset.data_root={data}',
        f'custom_hooks.0.data_root={data}',
        'test_dataloader.num_workers=0',
    )
    accuracy = float(printed.split('aAcc:')[1].split()[0])
    assert accuracy > 90


def test_the_input_is_the_authors(shared, tmp_path):
    """Subtract, divide, resize, divide by 255, in that order and one by one, as ESPNet's script does."""
    from mmengine.dataset import pseudo_collate

    from freqfusion_mm.apis.pixels import ImagePipeline
    from freqfusion_mm.apis.predictions import pipeline_steps

    image = shared(f'data/cityscapes/{STEM}_leftImg8bit.png')
    model = init_model('espnet_p2-q8_hff_1xb6-300e_cityscapes-512x1024', device='cpu')
    sample, shown = ImagePipeline(pipeline_steps(model))(image)
    ours = model.data_preprocessor(pseudo_collate([sample]), False)['inputs'][0]
    np.testing.assert_array_equal(shown, cv2.imread(str(image))[..., ::-1])
    pixels = cv2.imread(str(image)).astype(np.float32)
    for channel, (mean, std) in enumerate(
        zip((72.3923111, 82.90893555, 73.15840149), (45.3192215, 46.15289307, 44.91483307))
    ):
        pixels[:, :, channel] = (pixels[:, :, channel] - mean) / std
    pixels = cv2.resize(pixels, (1024, 512)) / 255
    torch.testing.assert_close(ours, torch.from_numpy(pixels.transpose(2, 0, 1)), rtol=1e-5, atol=1e-6)


def test_a_folder_and_our_own_weights(tmp_path, succeed, fail):
    name = 'espnet-c_p2-q3_hff_1xb8-1000i_shapes-128x128'
    model = init_model(name, device='cpu')
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), tmp_path / 'weights.pth')
    (tmp_path / 'images').mkdir()
    for i, size in enumerate(((128, 128), (97, 45))):
        Image.fromarray(np.random.RandomState(i).randint(0, 255, (*size, 3), np.uint8)).save(
            tmp_path / 'images' / f'{i}.png'
        )
    printed = succeed(
        'infer', tmp_path / 'images', '--model', name, '--weights', tmp_path / 'weights.pth', '--out', tmp_path / 'out'
    )
    assert '2 images in' in printed
    assert Image.open(tmp_path / 'out' / '1_labels.png').size == (45, 97)
    (tmp_path / 'empty').mkdir()
    assert 'no images' in fail(
        'infer',
        tmp_path / 'empty',
        '--model',
        name,
        '--weights',
        tmp_path / 'weights.pth',
        '--out',
        tmp_path / 'out',
    )
    assert 'there is no image' in fail(
        'infer',
        tmp_path / 'none.png',
        '--model',
        name,
        '--weights',
        tmp_path / 'weights.pth',
        '--out',
        tmp_path / 'out',
    )


def test_the_converter_refuses_what_does_not_fit(shared, tmp_path, fail):
    weights = shared('weights/espnet_p_2_q_8.pth')
    assert 'belongs to another model' in fail(
        'convert', 'espnet_p2-q5_hff_1xb6-300e_cityscapes-512x1024', weights, tmp_path / 'out.pth'
    )
    torch.save(dict(weight=torch.zeros(1)), tmp_path / 'strange.pth')
    assert 'none of the known formats' in fail(
        'convert', 'espnet_p2-q5_hff_1xb6-300e_cityscapes-512x1024', tmp_path / 'strange.pth', tmp_path / 'out.pth'
    )
    assert not (tmp_path / 'out.pth').exists()


def test_the_author_s_file_is_not_overwritten(shared, tmp_path, succeed, fail):
    source = tmp_path / 'released.pth'
    released = shared('weights/espnet_p_2_q_5.pth').read_bytes()
    source.write_bytes(released)
    name = 'espnet_p2-q5_hff_1xb6-300e_cityscapes-512x1024'
    assert 'is what the command reads' in fail('convert', name, source, tmp_path / '..' / tmp_path.name / source.name)
    assert source.read_bytes() == released
    bare = tmp_path / 'bare.py'  # tests on nothing: its classes have no names
    bare.write_text(
        f"_base_ = [{str(config_path('_base_/models/espnet.py'))!r}]\ndefault_scope = 'mmseg'\n"
        'model = dict(backbone=dict(depths=(2, 5)))\n'
    )
    for config, classes in ((name, '20 classes'), (bare, 'classes without names')):
        assert classes in succeed('convert', config, source, tmp_path / 'ours.pth')
        assert sorted(file.name for file in tmp_path.iterdir()) == ['bare.py', 'ours.pth', 'released.pth']


def test_gridding_prints_and_draws(tmp_path, succeed, fail):
    values = tmp_path / 'new' / 'values.csv'
    printed = succeed('gridding', '--out', tmp_path / 'plot.png', '--seeds', 2, '--values', values)
    rows = {line.split('  ')[0]: float(line.split()[-1]) for line in printed.splitlines() if 'mean' in line}
    assert rows['ESP, chain none'] == rows['EESP, chain none'] == 1.0
    assert rows['ESP, chain all'] < rows['ESP, chain dilated'] < 0.6 and rows['EESP, chain all'] < 0.6
    assert Image.open(tmp_path / 'plot.png').size[0] > 500
    with open(values) as file:
        lines = [line for line in csv.DictReader(file) if line['blocks'] == 'ESP, chain all']
    dilated = [float(line['gridding']) for line in lines if line['dilation'] != '1']
    assert len(lines) == 5 and np.mean(dilated) == pytest.approx(rows['ESP, chain all'], abs=5e-4)
    assert 'multiple of 80' in fail('gridding', '--out', tmp_path / 'plot.png', '--channels', 60)


def test_read_checkpoint_reads_the_released_files_as_data(shared):
    assert len(read_checkpoint(str(shared('weights/espnet_p_2_q_8.pth')))) == 189
