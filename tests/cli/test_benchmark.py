"""The benchmark: its baselines are right, a way that is not gets no time, and its files hold together."""

import functools
import importlib
from dataclasses import replace

import pytest
import torch
from marks import needs_tracer

from freqfusion_mm import layers
from tools.benchmark import __main__ as benchmark
from tools.benchmark import entries, measure, report, ways

CPU = torch.device('cpu')


def small():
    return entries.freqfusion((1, 16, 5, 6), (1, 8, 10, 12), compressed_channels=8, resample_groups=4)


@pytest.mark.parametrize(
    'entry',
    [
        small(),
        entries.resfu((1, 64, 5, 6), (1, 32, 20, 24)),
        entries.upsampler('carafe', (1, 16, 5, 6), (1, 8, 10, 12)),
        entries.upsampler('SAPA', (1, 16, 5, 6), (1, 8, 10, 12)),
        entries.operator('carafe', [(2, 8, 5, 7), (2, 18, 10, 14)], '', 3, 2),
        entries.operator('window_similarity', [(2, 8, 10, 14), (2, 8, 5, 7)], '', 3),
        entries.operator('fns_attention', [(1, 9, 10, 14), (1, 4, 5, 7)], '', 3),
        entries.operator('normalize_kernels', [(1, 18, 5, 7)], '', 3),
        entries.operator('neighbour_similarity', [(1, 4, 5, 7)], ''),
    ],
    ids=lambda entry: entry.name,
)
def test_the_unfold_formulation_agrees(entry):
    assert measure.parity(entry.make(CPU, torch.float64), 'unfold') is None


def test_no_time_where_parity_fails(monkeypatch):
    monkeypatch.setattr(measure, 'extra_memory', lambda *args: dict.fromkeys(measure.PASSES, 1.0))
    rows = benchmark.measured(small(), CPU, torch.float32, 1, 2)
    assert [row['way'] for row in rows if 'median_ms' in row] == ['ours', 'unfold', 'copy'] * 2

    carafe = ways.FUNCTIONS['unfold']['carafe']
    monkeypatch.setitem(ways.FUNCTIONS['unfold'], 'carafe', lambda *args, **kwargs: 2 * carafe(*args, **kwargs))
    rows = benchmark.measured(small(), CPU, torch.float32, 1, 2)
    assert [row['way'] for row in rows if 'median_ms' in row] == ['copy'] * 2
    assert all('parity failed' in row['status'] for row in rows if row['way'] in ('ours', 'unfold'))


def kinked(gradient):
    """relu(x + b) in two ways, of which the other has the slope `gradient(x + b)`; x + b is zero until x is moved."""
    x = torch.tensor([1.0, 5.0]).view(1, 2, 1, 1).requires_grad_()

    def run(way):
        moved = x - torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
        slope = gradient(moved.detach())
        other = slope * moved + (moved.relu() - slope * moved).detach()
        return (moved.relu() if way == 'ours' else other,)

    return entries.Case(run, [x], [])


def test_parity_of_gradients_is_not_undone_by_a_kink():
    assert measure.parity(kinked(lambda x: (x >= 0).to(x)), 'unfold') is None
    assert 'forward+backward: result 0' in measure.parity(kinked(lambda x: 2.0 * (x > 0)), 'unfold')


@pytest.mark.parametrize('size, agrees', [(1e-7, True), (1e-5, False), (float('nan'), False)])
def test_parity_passes_over_rounding_alone(size, agrees):
    inputs = [torch.ones(1, 2).requires_grad_() for _ in range(2)]

    def run(way):
        return (inputs[0] + (0.0 if way == 'ours' else size) * (inputs[1] - inputs[1].detach()),)

    assert (measure.parity(entries.Case(run, inputs, []), 'unfold') is None) == agrees


@pytest.mark.slow
@needs_tracer
def test_compiled_is_a_way_of_its_own(monkeypatch):
    monkeypatch.setattr(measure, 'extra_memory', lambda *args: dict.fromkeys(measure.PASSES, 1.0))
    monkeypatch.setattr(torch, 'compile', functools.partial(torch.compile, backend='aot_eager'))
    rows = benchmark.measured(replace(small(), ways=('ours', 'compiled')), CPU, torch.float32, 1, 2)
    rows = [row for row in rows if row['way'] == 'compiled']
    assert [row['status'] for row in rows] == ['ok', 'ok']
    assert all(row['median_ms'] and float(row['compile_s']) > 0 for row in rows)


def test_what_does_not_compile_gets_no_time_and_takes_it_from_no_other(monkeypatch):

    def fail(module, fullgraph):
        assert fullgraph
        raise AssertionError('graph break')

    monkeypatch.setattr(measure, 'extra_memory', lambda *args: dict.fromkeys(measure.PASSES, 1.0))
    monkeypatch.setattr(torch, 'compile', fail)
    rows = benchmark.measured(replace(small(), ways=('ours', 'compiled')), CPU, torch.float32, 1, 2)
    assert [row['way'] for row in rows if 'median_ms' in row] == ['ours', 'copy'] * 2
    reasons = {row['status'] for row in rows if row['way'] == 'compiled'}
    assert reasons == {'does not compile: AssertionError: graph break'}


def test_a_setting_holds_for_both_passes():
    module, seen = importlib.import_module('freqfusion_mm.ops.reassembly.matmul'), []
    default = module._STEP_ELEMENTS
    x = torch.ones(1).requires_grad_()
    x.register_hook(lambda grad: seen.append(module._STEP_ELEMENTS))

    def run(way):
        seen.append(module._STEP_ELEMENTS)
        return (2 * x,)

    case = entries.Case(run, [x], [], setting=entries._stepped(0.25).make(CPU, torch.float32).setting)
    measure.forward(case, 'ours')
    measure.forward_backward(case, 'ours')
    assert seen == [2**16] * 3 and module._STEP_ELEMENTS == default


@pytest.mark.parametrize('with_cp', [0, 1])
def test_checkpointing_is_of_every_fusion_of_the_neck(with_cp):
    pytest.importorskip('mmcv')
    fusions = entries._neck('FreqFusion', with_cp=bool(with_cp)).fusions
    assert [fusion.with_cp for fusion in fusions] == [bool(with_cp)] * 3


def test_curves_have_names_of_their_own():
    named = entries.entries() + [entry for steps in (entries.SCALING | entries.TRADES).values() for _, entry in steps]
    assert len({entry.name for entry in named}) == len(named)


def test_every_registered_upsampler_is_measured(monkeypatch):
    class Mine(layers.Nearest):
        """As a user registers one."""

    assert {kind.__name__ for kind in layers.UPSAMPLERS.values()} <= {entry.name for entry in entries.entries()}
    monkeypatch.setitem(layers.UPSAMPLERS, 'mine', Mine)
    (entry,) = entries.entries(['mine'])
    assert entry.name == 'Mine' and 'Mine' in [each.name for each in entries.entries()]
    out = entry.make(CPU, torch.float32).run('ours')
    assert out[0].shape == (1, 256, 128, 128)
    path = 'freqfusion_mm.layers.ExternalUpsampler'
    assert [entry.name for entry in entries.entries(['carafe x1', path])] == ['carafe x1 k3', path]
    assert entries.entry_of(path).name == path and entries.entry_of('SAPA').name == 'SAPA'
    with pytest.raises(ValueError, match='unknown upsampler'):
        entries.entries(['no_such_entry'])


def test_table_and_plots(tmp_path):
    pytest.importorskip('matplotlib')
    common = {'entry': 'carafe', 'kind': 'op', 'shape': '', 'pass': 'forward', 'status': 'ok', 'iqr_ms': '1'}
    rows = [
        dict(common, way='ours', median_ms='20', extra_mib='5'),
        dict(common, way='unfold', median_ms='10', extra_mib='20'),
        dict(common, way='compiled', median_ms='5', extra_mib='5', compile_s='17'),
        dict(common, way='mmcv', status='not compiled', median_ms='', extra_mib=''),
    ]
    report.write(tmp_path / 'a.csv', report.FIELDS, rows)
    rows = report.read(tmp_path / 'a.csv')
    text = report.table(rows, 'somewhere')
    assert '| 0.5x | 5 (1) | 4x |' in text and 'not compiled' in text and text.endswith('| 5 | 20 | 4x |\n')
    report.plot(rows, 'somewhere', tmp_path / 'a.png')
    steps = [
        {'what': 'pixels', 'value': str(value), 'pass': 'forward', 'median_ms': str(value), 'extra_mib': '3'}
        for value in (1, 2)
    ]
    steps += [dict(step, what='with_cp') for step in steps]
    report.plot_scaling(steps, ['with_cp'], 'somewhere', tmp_path / 'b.png')
    assert (tmp_path / 'a.png').stat().st_size and (tmp_path / 'b.png').stat().st_size


def test_rows_of_later_runs_take_the_place_of_earlier_ones():
    def rows(*names, ms='1'):
        return [dict(entry=name, median_ms=ms) for name in names]

    kept = report.merged(rows('CARAFE', 'one.of.Mine', 'fade-lite', 'FADE'), rows('FADE', ms='2'), ['FADE', 'CARAFE'])
    assert kept == [*rows('FADE', ms='2'), *rows('CARAFE', 'one.of.Mine', 'fade-lite')]
    again = report.merged(kept, rows('one.of.Mine', ms='3'), ['FADE', 'CARAFE'])
    assert again == [*kept[:2], *rows('fade-lite'), *rows('one.of.Mine', ms='3')]


def test_quartiles_lie_among_the_values():
    assert measure.quartiles([1.0, 2.0]) == (1.0, 2.0) and measure.quartiles([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert measure.quartiles([5.0, 1.0, 2.0, 3.0, 4.0]) == (1.5, 4.5)


def test_the_command_of_a_page_has_all_but_the_note():
    arguments = ['--models', '--note', 'a quiet machine', '--threads', '1', '--only', 'my.Own One']
    assert benchmark.without_note(arguments) == "python -m tools.benchmark --models --threads 1 --only 'my.Own One'"
    assert benchmark.without_note(['--models', '--note=a b']) == 'python -m tools.benchmark --models'


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--models', '--dtype', 'bfloat16'], '--dtype has no say in --models: leave it out'),
        (['--models', '--compile'], '--compile has no say in --models'),
        (['--goals', '--only', 'carafe'], '--only has no say in --goals'),
        (['--scaling', '--models'], '--scaling and --models are different benchmarks'),
        (['--sizes', '128'], '--sizes has no say without --models'),
        (['--quick'], '--quick has no say without --models'),
        (['--rounds', '1'], '--rounds 1: a range needs 2 or more'),
        (['--out', __file__], '--out: .* is a file'),
        (['--device', 'gpu'], '--device gpu: '),
        pytest.param(
            ['--device', 'cuda'],
            '--device cuda: ',
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU'),
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_work(arguments, message):
    with pytest.raises(SystemExit, match=message):
        benchmark.check_arguments(benchmark.parser().parse_args(arguments))


def test_arguments_that_go_together():
    for arguments in ([], ['--models', '--quick', '--sizes', '64', '--note', 'a'], ['--goals', '--compile']):
        benchmark.check_arguments(benchmark.parser().parse_args(arguments))


def test_a_way_of_others_that_fails_has_its_reason_as_status(monkeypatch):
    case = small().make(CPU, torch.float32)

    def fails(case, way):
        raise RuntimeError('not for "BFloat16"')

    monkeypatch.setattr(measure, 'parity', fails)
    assert benchmark.checked(case, 'mmcv') == ('fails: RuntimeError: not for "BFloat16"', {})
    with pytest.raises(RuntimeError):
        benchmark.checked(case, 'unfold')
