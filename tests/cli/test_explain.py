"""`freqfusion-mm explain` on models of every task, as a user calls it."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmengine', reason='the command runs on mmengine')
pytest.importorskip('jinja2', reason='the page is made by Jinja')

from freqfusion_mm.apis import init_model  # noqa: E402
from freqfusion_mm.apis.explanation import error_picture, explain, network_picture  # noqa: E402
from freqfusion_mm.cli.main import main  # noqa: E402

#: task -> config, and a fusion of it.
CONFIGS = {
    'semantic': ('segformer_r18-slim_freqfusion_1xb8-1500i_shapes-128x128', 'decode_head.fusions.0'),
    'detection': ('faster-rcnn_r18_freqfusion_1xb4-12e_shapes', 'neck.fusions.0'),
    'instance': ('mask-rcnn_r18_freqfusion_1xb4-12e_shapes', 'neck.fusions.0'),
    'panoptic': ('panoptic-fpn_r18_freqfusion_1xb4-12e_shapes', 'neck.fusions.0'),
}


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """A folder with a picture and its label map."""
    work = tmp_path_factory.mktemp('explain')
    numbers = np.random.default_rng(0)
    coarse = numbers.integers(0, 255, (6, 8, 3), np.uint8)
    cv2.imwrite(str(work / 'image.png'), cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC))
    label = np.kron(numbers.integers(0, 5, (6, 8)), np.ones((16, 16), int)).astype(np.uint8)
    label[:8] = 255
    cv2.imwrite(str(work / 'label.png'), label)
    (work / 'broken.png').write_bytes((work / 'image.png').read_bytes()[:200])
    return work


def checkpoint_of(config, folder):
    """Of random weights; made once."""
    path = folder / f'{config}.pth'
    if not path.exists():
        torch.manual_seed(0)
        torch.save(dict(state_dict=init_model(config, device='cpu').state_dict()), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize('task', CONFIGS)
def test_every_task(task, work, capsys):
    pytest.importorskip('mmseg' if task == 'semantic' else 'mmdet')
    config, fusion = CONFIGS[task]
    page = work / f'{task}.html'
    arguments = [config, checkpoint_of(config, work), work / 'image.png', '--out', page, '--device', 'cpu']
    assert main(['explain', *map(str, arguments)]) == 0
    assert re.search(r'1 models, \d figures, \d\.\d MiB', capsys.readouterr().out)
    text = page.read_text()
    assert fusion in text and 'FreqFusion' in text and page.stat().st_size < 5 * 2**20


def test_an_output_beyond_the_classes_is_judged_as_a_test_does():
    from types import SimpleNamespace

    from freqfusion_mm.apis.explanation import _judge
    from freqfusion_mm.evaluation.metrics.trimap_iou import TrimapIoU

    label = np.repeat(np.array([[0, 0, 0, 1, 1, 1, 255]]), 4, axis=0)
    predicted = np.repeat(np.array([[0, 0, 0, 1, 2, 1, 2]]), 4, axis=0)  # 2 is none of the two classes
    view, metric = SimpleNamespace(), TrimapIoU()
    metric.dataset_meta = dict(classes=('a', 'b'))
    _judge(view, ('a', 'b'), predicted, label, 255, np.zeros((4, 7, 3), np.uint8))
    maps = ((key, dict(data=torch.from_numpy(each))) for key, each in (('pred', predicted), ('gt', label)))
    metric.process({}, [{f'{key}_sem_seg': each for key, each in maps}])
    tested = metric.evaluate(1)
    assert view.trimap == {width: tested[f'trimap/{width}'] for width in metric.widths}
    assert view.trimap[1] == 100 and view.trimap[16] == pytest.approx((100 + 200 / 3) / 2)


def test_the_part_of_the_input_that_the_image_fills():
    from freqfusion_mm.apis.explanation import _filled

    assert _filled(dict(ori_shape=(30, 50), scale_factor=(1.5, 2.0)), (100, 100, 3)) == (0.6, 0.75)  # width first
    assert _filled(dict(ori_shape=(30, 50), scale_factor=3.0), (100, 100, 3)) == (0.9, 1.0)
    assert _filled(dict(ori_shape=(30, 50)), (100, 100, 3)) == (1.0, 1.0)


def test_two_models_with_labels(work):
    pytest.importorskip('mmseg')
    config, other = (f'segformer_r18-slim_{method}_1xb8-1500i_shapes-128x128' for method in ('freqfusion', 'carafe'))
    page, figures = work / 'two.html', work / 'figures'
    arguments = [config, checkpoint_of(config, work), work / 'image.png', '--labels', work / 'label.png', '--out', page]
    arguments += ['--against', other, checkpoint_of(other, work), '--title', 'ours', '--figures', figures]
    main(['explain', *map(str, arguments), '--device', 'cpu'])
    text = page.read_text()
    for words in ('>ours<', f'>{other}<', 'IntraSim', 'Near borders', 'consistency'):
        assert words in text, words
    names = {path.name for path in figures.iterdir()}
    assert {'prediction.png', 'trimap.pdf', 'decode_head.fusions.2.features.pdf'} < names
    assert {'decode_head.fusions.0.spectra.png', 'decode_head.fusions.0.offsets.png'} < names
    (figures / 'prediction.png').write_bytes((work / 'image.png').read_bytes())
    page.unlink()
    with pytest.raises(SystemExit, match='prediction.png would be overwritten and was not written by this tool'):
        main(['explain', *map(str, arguments), '--device', 'cpu'])
    assert (figures / 'prediction.png').read_bytes() == (work / 'image.png').read_bytes() and not page.exists()


def test_views(work):
    pytest.importorskip('mmseg')
    config = CONFIGS['semantic'][0]
    view = explain(config, checkpoint_of(config, work), work / 'image.png', labels=work / 'label.png', device='cpu')
    model = init_model(config, checkpoint_of(config, work), 'cpu')
    assert view.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert list(view.fusions) == [f'decode_head.fusions.{number}' for number in range(len(model.decode_head.fusions))]
    image = cv2.imread(str(work / 'image.png'))[..., ::-1]
    height, width = (round(share * size) for share, size in zip(view.filled, view.picture.shape))
    shown = cv2.resize(view.picture[:height, :width], (128, 96), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(shown - image).mean() < 3  # what the network saw is the image, in its colours
    assert set(view.trimap) == {1, 2, 4, 8, 16} and view.errors.shape == (96, 128, 3)
    assert (view.errors[:8] < 64).all()  # dark, where there is no label
    finest = view.fusions[f'decode_head.fusions.{len(view.fusions) - 1}']
    assert np.isnan(finest.consistency[0]).all() and np.isfinite(finest.consistency[-1]).all()
    windows = {'model.test_cfg': dict(mode='slide', crop_size=(32, 32), stride=(20, 20))}
    whole = explain(config, checkpoint_of(config, work), work / 'image.png', device='cpu', cfg_options=windows)
    np.testing.assert_array_equal(whole.picture, view.picture)  # not a window of it


def test_unpooling_and_hierarchical_fusion(work):
    pytest.importorskip('mmseg')
    lift = explain(
        lift_config := 'segnet_vgg16-slim_lift_1xb4-1000i_shapes-128x128',
        checkpoint_of(lift_config, work),
        work / 'image.png',
        device='cpu',
    )
    assert len(lift.bands) == 5 and all(name.startswith('backbone.features.') for name in lift.bands)
    assert [view.method for view in lift.fusions.values()] == ['LiftUpPool'] * 5
    espnet = explain(
        config := 'espnet_p2-q3_hff_1xb8-1000i_shapes-128x128',
        checkpoint_of(config, work),
        work / 'image.png',
        device='cpu',
    )
    assert not espnet.fusions and {label.partition(' ')[0].rstrip(',') for label in espnet.gridding} == {'ESP'}


def said(arguments):
    """The one line that the command ends with."""
    with pytest.raises(SystemExit) as stop:
        main(['explain', *map(str, arguments), '--device', 'cpu'])
    assert '\n' not in str(stop.value)
    return str(stop.value)


def test_mistakes_are_one_line(work):
    pytest.importorskip('mmseg')
    pytest.importorskip('mmdet')
    config = CONFIGS['semantic'][0]
    checkpoint = checkpoint_of(config, work)
    assert 'broken.png cannot be read' in said([config, checkpoint, work / 'broken.png'])
    assert 'nowhere.png cannot be read' in said([config, checkpoint, work / 'nowhere.png'])
    assert 'nothing.png cannot be read' in said(
        [config, checkpoint, work / 'image.png', '--labels', work / 'nothing.png']
    )
    detector = CONFIGS['detection'][0]
    wanted = [detector, checkpoint_of(detector, work), work / 'image.png', '--labels', work / 'label.png']
    assert '--labels is for semantic segmentation, and the FasterRCNN does detection' in said(wanted)
    small = work / 'small.png'
    cv2.imwrite(str(small), np.zeros((10, 12), np.uint8))
    assert 'size [10, 12], the prediction [96, 128]' in said(
        [config, checkpoint, work / 'image.png', '--labels', small]
    )
    numbers = work / 'numbers.png'
    cv2.imwrite(str(numbers), np.full((96, 128), 77, np.uint8))
    assert 'numbers from 77 to 77' in said([config, checkpoint, work / 'image.png', '--labels', numbers])
    wanted = [config, checkpoint, work / 'image.png', '--out', work / 'page.png']
    assert 'wants a name in .html' in said(wanted) and not (work / 'page.png').exists()
    (work / 'mine').mkdir()
    (work / 'mine/prediction.pdf').write_bytes(b'%PDF-1.4, of the user')
    wanted = [config, checkpoint, work / 'image.png', '--out', work / 'p.html', '--figures', work / 'mine']
    assert 'prediction.pdf would be overwritten' in said(wanted)
    twice = [config, checkpoint, work / 'image.png', '--against', config, checkpoint]
    assert 'each model needs a name of its own' in said(twice)


@pytest.mark.parametrize('part', ['lowpass', 'highpass'])
def test_a_model_that_diverged(work, part):
    """In the map that it upsamples, or in the one that it sharpens alone."""
    pytest.importorskip('mmseg')
    config = CONFIGS['semantic'][0]
    saved = torch.load(checkpoint_of(config, work), weights_only=True)
    broken = [key for key in saved['state_dict'] if re.search(rf'fusions\.2\.{part}_encoder', key)]
    saved['state_dict'].update({key: saved['state_dict'][key] * torch.nan for key in broken})
    torch.save(saved, work / 'diverged.pth')
    with pytest.raises(ValueError, match=r'what decode_head.fusions.2 gives holds values that are no finite numbers'):
        options = {'model.decode_head.upsample_cfg.initial_fusion': False}
        explain(config, work / 'diverged.pth', work / 'image.png', device='cpu', cfg_options=options)


def test_a_model_without_a_fusion(work):
    pytest.importorskip('mmdet')
    detector = CONFIGS['detection'][0]
    stock = work / 'stock.py'
    stock.write_text(
        f"_base_ = '{Path(init_model(detector, device='cpu').cfg.filename)}'\n"
        "model = dict(neck=dict(_delete_=True, type='mmdet.FPN', in_channels=[64, 128, 256, 512], out_channels=256,"
        ' num_outs=5))\n'
    )
    text = said([stock, checkpoint_of(str(stock), work), work / 'image.png'])
    assert 'stock.py has nothing to explain: its FasterRCNN holds no fusion' in text


def test_network_picture():
    class Preprocessor(torch.nn.Module):
        _enable_normalize, _channel_conversion = True, True
        mean, std = torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1), torch.tensor([2.0, 3.0, 4.0]).view(3, 1, 1)

    rgb = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
    inputs = (torch.from_numpy(rgb).permute(2, 0, 1).float() - Preprocessor.mean) / Preprocessor.std
    assert (network_picture(Preprocessor(), inputs[None]) == rgb).all()
    plain = torch.nn.Identity()
    assert (network_picture(plain, torch.from_numpy(rgb[..., ::-1].copy()).permute(2, 0, 1)[None]) == rgb).all()


def test_error_picture():
    wrong, known = np.array([[True, False, True]]), np.array([[True, True, False]])
    assert error_picture(np.full((1, 3, 3), 100, np.uint8), wrong, known)[0].tolist() == [
        [205, 30, 30], [178, 178, 178], [25, 25, 25]
    ]  # fmt: skip
