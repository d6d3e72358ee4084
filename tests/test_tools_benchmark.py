"""The benchmark: its baselines are right, a way that is not gets no time, and its files hold together."""

import importlib

import pytest
import torch

from tools.benchmark import __main__ as benchmark
from tools.benchmark import entries, measure, report, ways

CPU = torch.device('cpu')


def small():
    return entries.freqfusion((1, 16, 5, 6), (1, 8, 10, 12), compressed_channels=8, resample_groups=4)


@pytest.mark.parametrize('entry', [
    small(),
    entries.resfu((1, 64, 5, 6), (1, 32, 20, 24)),
    entries._op('carafe', [(2, 8, 5, 7), (2, 18, 10, 14)], '', 3, 2),
    entries._op('fns_attention', [(1, 9, 10, 14), (1, 4, 5, 7)], '', 3),
    entries._op('normalize_kernels', [(1, 18, 5, 7)], '', 3),
    entries._op('neighbour_similarity', [(1, 4, 5, 7)], ''),
], ids=lambda entry: entry.name)
def test_the_unfold_formulation_agrees(entry):
    assert measure.parity(entry.make(CPU, torch.float64), 'unfold') is None


def test_layers_call_the_package_again_afterwards():
    module = importlib.import_module('freqfusion_mm.layers.freqfusion')
    ours = module.carafe
    with ways.layers_use('unfold'):
        assert module.carafe is not ours
    assert module.carafe is ours


def test_no_time_where_parity_fails(monkeypatch):
    monkeypatch.setattr(measure, 'extra_memory', lambda *args: dict.fromkeys(measure.PASSES, 1.))
    rows = benchmark.measured(small(), CPU, torch.float32, 1, 2)
    assert [row['way'] for row in rows if 'median_ms' in row] == ['ours', 'unfold', 'copy'] * 2

    carafe = ways.ops_of('unfold')['carafe']
    monkeypatch.setitem(ways.ops_of('unfold'), 'carafe', lambda *args, **kwargs: 2 * carafe(*args, **kwargs))
    rows = benchmark.measured(small(), CPU, torch.float32, 1, 2)
    assert [row['way'] for row in rows if 'median_ms' in row] == ['copy'] * 2
    assert all('parity failed' in row['status'] for row in rows if row['way'] in ('ours', 'unfold'))


def test_table_and_plots(tmp_path):
    pytest.importorskip('matplotlib')
    common = {'entry': 'carafe', 'kind': 'op', 'shape': '', 'pass': 'forward', 'status': 'ok', 'iqr_ms': '1'}
    rows = [dict(common, way='ours', median_ms='20', extra_mib='5'),
            dict(common, way='unfold', median_ms='10', extra_mib='20'),
            dict(common, way='mmcv', status='not compiled', median_ms='', extra_mib='')]
    report.write(tmp_path / 'a.csv', report.FIELDS, rows)
    rows = report.read(tmp_path / 'a.csv')
    text = report.table(rows, 'somewhere')
    assert '| 0.5x |' in text and '| 4x |' in text and 'not compiled' in text
    report.plot(rows, 'somewhere', tmp_path / 'a.png')
    steps = [{'what': 'pixels', 'value': str(value), 'pass': 'forward', 'median_ms': str(value), 'extra_mib': '3'}
             for value in (1, 2)]
    report.plot_scaling(steps, 'somewhere', tmp_path / 'b.png')
    assert (tmp_path / 'a.png').stat().st_size and (tmp_path / 'b.png').stat().st_size
