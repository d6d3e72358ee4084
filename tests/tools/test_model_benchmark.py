"""What upsamplers cost whole models: the table holds together, and a small model is measured."""

import pytest
import torch
from torch import nn

from tools.benchmark import model_report, models

CPU = torch.device('cpu')


def small(model, upsampler, size, batch, device, with_cp=False):
    """A convolution for stock, two for an upsampler, none for one that fails."""
    if upsampler == 'fade':
        raise ValueError('no guide\nand more')
    layers = [nn.Conv2d(3, 3, 3, padding=1, bias=False) for _ in range(1 if upsampler == models.STOCK else 2)]
    module, images = nn.Sequential(*layers), torch.randn(batch, 3, size, size)
    return models.Built(module, lambda: module(images), lambda: module(images).sum().backward())


def test_rows():
    rows = models.measured(models.MODELS[0], ['carafe', 'fade'], 8, CPU, rounds=3, make=small)
    stock, carafe, fade = rows
    assert (stock['forward_ratio'], stock['step_ratio'], stock['peak_ratio']) == ('1.000', '1.000', '1.000')
    assert stock['multiply_adds_g'] == f'{64 * 81 / 1e9:.4g}'
    assert float(carafe['peak_ratio']) > 1 and carafe['rounds'] == '3'
    assert carafe['recomputed_peak_ratio'] == carafe['peak_ratio'] and 'recomputed_peak_ratio' not in stock
    assert fade['status'] == 'ValueError: no guide' and 'forward_ms' not in fade


def test_one_without_recomputation_is_measured_all_the_same():
    def own(*args, with_cp=False):
        if with_cp:
            raise TypeError('GatedRepeat has no option with_cp: it takes kernel_size')
        return small(*args)

    _, row = models.measured(models.MODELS[0], ['my.GatedRepeat'], 8, CPU, rounds=2, make=own)
    assert row['status'] == 'ok' and float(row['forward_ratio']) > 0 and 'recomputed_peak_ratio' not in row


def test_ratios_are_of_one_round():
    times = dict(forward=[2.0, 20.0, 200.0], step=[1.0, 1.0, 1.0])
    stock = dict(forward=[1.0, 10.0, 100.0], step=[1.0, 2.0, 4.0])
    row = models.summary(times, stock)
    assert (row['forward_ratio'], row['forward_low'], row['forward_high']) == ('2.000', '2.000', '2.000')
    assert row['step_ratio'] == '0.500'


def test_words_choose_models_and_upsamplers():
    chosen, upsamplers = models.chosen(['segformer-b1', 'sapa', 'lite'])
    assert [model.name for model in chosen] == ['SegFormer-B1']
    assert upsamplers == ['sapa', 'fade-lite', 'freqfusion-lite']  # in the order of the words
    assert models.chosen(['freqfusion', 'carafe'])[1] == ['freqfusion', 'carafe']  # a whole name is that one alone
    assert models.chosen(None) == (list(models.MODELS), list(models.UPSAMPLERS))
    path = 'freqfusion_mm.layers.Nearest'
    assert models.chosen(['nearest', path])[1] == ['nearest', path]  # without a preset, and of anyone's own
    with pytest.raises(ValueError, match="did you mean 'bilinear'"):
        models.chosen(['bilinaer'])


def test_table_and_plot(tmp_path):
    pytest.importorskip('matplotlib')
    rows = models.measured(models.MODELS[0], ['carafe', 'fade'], 8, CPU, rounds=2, make=small)
    rows = model_report.merged(rows, [dict(rows[1], forward_ratio='3.000')], [models.MODELS[0].name])
    assert [row['upsampler'] for row in rows] == ['stock', 'fade', 'carafe']
    page = model_report.table(rows, 'somewhere', 'the command', 'A note.', ['SegNeXt-T, 512'])
    assert '`the command`' in page and '| 3.00 (' in page and 'no guide' in page and 'Not run: SegNeXt-T, 512.' in page
    model_report.plot(rows, 'somewhere', tmp_path / 'a.png')
    assert (tmp_path / 'a.png').stat().st_size


def test_every_name_is_a_file():
    for model in models.MODELS:
        assert (models.ROOT / f'models/{model.config}.py').exists()
        assert all((models.ROOT / f'upsamplers/{file}.py').exists() for _, file in model.released)
    assert {'freqfusion', 'freqfusion-lite', 'sapa'} < set(models.UPSAMPLERS)
    assert not any('segformer' in name for name in models.UPSAMPLERS)


@pytest.mark.parametrize('model', [model for model in models.MODELS if model.place == 'neck'][:2], ids=lambda m: m.name)
@pytest.mark.slow
def test_the_second_stage_sees_the_same_boxes(model):
    """Of random weights, each upsampler would propose others, and the second stage's time would be another's."""
    pytest.importorskip('mmdet')
    seen = []
    for upsampler in (models.STOCK, 'nearest', 'carafe'):
        built = models.build(model, upsampler, 192, 2, CPU)
        boxes = []
        hook = built.module.roi_head.bbox_roi_extractor.register_forward_pre_hook(
            lambda _, inputs, boxes=boxes: boxes.append(inputs[1].detach().clone())
        )
        built.step()
        built.forward()
        hook.remove()
        seen.append(boxes)
    trained, tested = seen[0]
    assert len(tested) == 2 * round(192 * 192 * models.PROPOSAL_DENSITY)
    assert len(trained) > len(tested)  # the true boxes too
    for boxes in seen[1:]:
        torch.testing.assert_close(boxes[0], trained, rtol=0, atol=0)
        torch.testing.assert_close(boxes[1], tested, rtol=0, atol=0)


@pytest.mark.slow
def test_peaks_do_not_depend_on_what_ran_before():
    """Gradients and cycles of an earlier model are not counted as freed within a step of the next."""
    pytest.importorskip('mmseg')
    model = models.MODELS[0]
    peaks = []
    for _ in range(3):
        built = models.build(model, 'carafe', 64, 2, CPU)
        built.step()
        peaks.append(models.peak_mib(built, CPU))
        models.build(models.MODELS[3], 'carafe', 64, 2, CPU).step()
    assert max(peaks) < 1.01 * min(peaks), peaks


@pytest.mark.parametrize('model', models.MODELS, ids=lambda model: model.name)
@pytest.mark.slow
def test_a_real_model_with_an_upsampler(model):
    pytest.importorskip('mmdet')
    pytest.importorskip('mmseg')
    built = models.build(model, 'dysample', 64, 2, CPU, with_cp=True)
    before = [p.clone() for p in built.module.parameters() if p.requires_grad]
    built.step()
    after = [p for p in built.module.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(before, after))
    assert models.multiply_adds(built) > 0 and models.peak_mib(built, CPU) > 0
