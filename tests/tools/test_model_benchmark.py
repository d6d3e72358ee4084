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


def test_ratios_are_of_one_round():
    times = dict(forward=[2.0, 20.0, 200.0], step=[1.0, 1.0, 1.0])
    stock = dict(forward=[1.0, 10.0, 100.0], step=[1.0, 2.0, 4.0])
    row = models.summary(times, stock)
    assert (row['forward_ratio'], row['forward_low'], row['forward_high']) == ('2.000', '2.000', '2.000')
    assert row['step_ratio'] == '0.500'


def test_words_choose_models_and_upsamplers():
    chosen, upsamplers = models.chosen(['segformer-b1', 'sapa', 'lite'])
    assert [model.name for model in chosen] == ['SegFormer-B1'] and upsamplers == ['freqfusion-lite', 'sapa']
    assert models.chosen(['freqfusion', 'carafe'])[1] == ['freqfusion', 'carafe']  # a whole name is that one alone
    assert models.chosen(None) == (list(models.MODELS), list(models.UPSAMPLERS))
    with pytest.raises(ValueError, match="'bilinaer' in its name"):
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
    assert all((models.ROOT / f'upsamplers/{name}.py').exists() for name in models.UPSAMPLERS)


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
