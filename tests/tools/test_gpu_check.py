"""The check for a GPU, rehearsed on the CPU: it passes what is right, names what is wrong, and outlives what dies."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from freqfusion_mm import ops
from freqfusion_mm.ops.triton import missing
from tools.gpu_check import __main__ as gpu_check
from tools.gpu_check import checks, hardware, jobs, launches, pool, report, suite, training

ROOT = Path(__file__).resolve().parents[2]
EVEN, ODD = (1, (3, 4), (6, 8)), (2, (3, 5), (7, 9))


def check(name, **options):
    subject = next(each for each in checks.subjects(8) if each.name == name)
    return checks.Check(subject, **{'dtype': torch.float32, 'sizes': ODD, **options})


@pytest.mark.parametrize('name', ['carafe', 'box_mean', 'layer DySample', 'layer FreqFusion'])
@pytest.mark.parametrize('dtype', checks.DTYPES)
def test_what_is_right_passes(name, dtype, monkeypatch):
    if dtype == torch.float16 and name != 'carafe' and not hasattr(torch.amp, 'is_autocast_available'):
        pytest.skip('this torch has no float16 convolutions on the CPU')
    monkeypatch.setattr(checks, '_runs_kernels', lambda check: False)
    found = checks.run(check(name, dtype=dtype, layout='not contiguous'), hardware.Cpu())
    assert found['status'] == 'passed', found['why']


@pytest.mark.parametrize('situation', ['CUDA graph', 'two streams'])
def test_situations(situation, monkeypatch):
    monkeypatch.setattr(checks, '_runs_kernels', lambda check: False)
    found = checks.run(check('layer DySample', situation=situation), hardware.Cpu())
    assert found['status'] == 'passed', found['why']


@pytest.mark.parametrize('dtype', checks.DTYPES)
def test_a_wrong_result_and_a_wrong_gradient_are_named(dtype, monkeypatch):
    subject = next(each for each in checks.subjects(8) if each.name == 'carafe')
    monkeypatch.setattr(checks, '_runs_kernels', lambda check: False)

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, features, masks):
            ctx.save_for_backward(features, masks)
            return ops.carafe(features, masks, 5)

        @staticmethod
        def backward(ctx, grad):
            features, masks = (saved.detach().requires_grad_() for saved in ctx.saved_tensors)
            with torch.enable_grad():
                grads = torch.autograd.grad(ops.carafe(features, masks, 5), (features, masks), grad)
            return grads[0], 1.2 * grads[1]

    class Module(torch.nn.Module):
        def forward(self, *maps):
            # what is compared with runs in float64, or by the unfold formulation: those stay right
            asked = ops.dispatch._ASKED.get().get('carafe')
            return ops.carafe(*maps, 5) if asked else Wrong.apply(*maps)

    wrong = checks.Subject('carafe', 'op', lambda s: (Module(), subject.make(s)[1]), subject.options, subject.plain)
    found = checks.run(checks.Check(wrong, dtype, ODD), hardware.Cpu())
    assert found['status'] == 'failed'
    assert 'the gradient of map 1 is off by' in found['why'] and 'map 0' not in found['why']
    short = str(dtype).removeprefix('torch.')
    assert found['arguments'] == f'carafe({short}[2x8x3x5], {short}[2x25x7x9], kernel_size=5)'


@pytest.mark.parametrize('factor', [0.7, 1.3])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_a_layer_of_another_strength_is_named_in_half_precision(dtype, factor):
    exact = torch.randn(2, 8, 27, 35, dtype=torch.float64)
    plain, floor = exact.to(dtype), checks.LAYER_FLOOR[dtype]
    assert checks._faults([plain], [plain], [exact], ['the result'], floor) == {}
    found = checks._faults([(factor * exact).to(dtype)], [plain], [exact], ['the result'], floor)
    assert 'the result is off by' in found['the result']


def test_every_job_has_a_name_of_its_own():
    for cpu in (False, True):
        found = checks.checks(cpu)
        assert len({each.name for each in found}) == len(found)
        assert {name.split(' ')[0] for name in jobs.jobs(cpu)} == set(jobs.PHASES)
    said = ' '.join(jobs.jobs(False))
    for layer in ('FreqFusion', 'ReSFU', 'DySample', 'SAPA', 'FADE'):
        assert f'benchmark {layer}: float32' in said and f'check layer {layer}: bfloat16' in said
    assert 'batch 16' in said and 'CUDA graph' in said and 'two streams' in said and 'compiled' in said


def test_a_small_network_learns():
    found = training.run('FreqFusion', 'bfloat16', hardware.Cpu(), cpu=True)
    assert found['status'] == 'passed', found['why']
    assert found['training']['last_loss'] < found['training']['first_loss']


def test_arguments_in_one_line():
    map_ = torch.zeros(2, 3, 4, 5, dtype=torch.bfloat16)
    assert launches.describe(map_) == 'bfloat16[2x3x4x5]'
    assert launches.describe(map_[:, :, ::2]) == 'bfloat16[2x3x2x5] strides (60, 20, 10, 1)'
    assert launches.describe(5) == '5'


def test_what_is_timed_is_not_watched():
    """The benchmark's jobs pass unseen, the checks' do not."""
    seen, watch = [], launches.Launches.__new__(launches.Launches)
    watch.names, watch._watching, watch._write = {}, True, lambda text: seen.append(text)

    def kernel():
        pass

    kernel.__module__ = 'freqfusion_mm.ops.triton.some'
    launch = watch._noted(lambda kernel, *args, **options: 'launched')
    for expected in (0, 1):
        with watch.unwatched() if not expected else contextlib.nullcontext():
            assert launch(SimpleNamespace(fn=kernel), 5, grid=(1,), warmup=False) == 'launched'
        assert len(seen) == expected
    job = jobs._unwatched(lambda machine, cpu: watch._watching, cpu=True)
    assert job(None, watch) is False and watch._watching and job(None, None) is True


@pytest.fixture
def jobs_of(tmp_path, monkeypatch):
    """Does three jobs with a worker of the same protocol that runs `line` of code at the second; what is told."""

    def found(line, seconds=60.0, patience=1.0):
        worker = tmp_path / 'worker.py'
        worker.write_text(
            'import json, os, pathlib, sys, time\n'
            'for line in sys.stdin:\n'
            '    pathlib.Path(sys.argv[2]).write_text("_forward(float32[1x2], 3) on the grid (4,)")\n'
            '    if line.strip() == "second":\n'
            f'        {line}\n'
            '    print(json.dumps(dict(status="passed", why="")), flush=True)\n'
        )
        start = subprocess.Popen
        monkeypatch.setattr(
            pool.subprocess,
            'Popen',
            lambda command, **options: start([sys.executable, str(worker), *command[3:]], **options),
        )
        told = {}
        pool.run(['first', 'second', 'third'], 1, True, time.monotonic() + seconds, patience, told.__setitem__)
        assert list(told) == ['first', 'second', 'third']
        return told

    return found


@pytest.mark.parametrize(
    'death, why',
    [
        ('print("a last word", file=sys.stderr, flush=True); os._exit(3)', 'ended with 3: a last word'),
        ('os.write(1, b"{half"); os._exit(3)', 'ended with 3'),
        ('os.write(1, b"no JSON\\n"); time.sleep(60)', 'JSONDecodeError'),
        ('time.sleep(60)', 'no answer within 1 s'),
    ],
)
def test_a_worker_that_dies_or_hangs_costs_one_job(jobs_of, death, why):
    found = jobs_of(death)
    assert [each['status'] for each in found.values()] == ['passed', 'failed', 'passed']
    assert why in found['second']['why']
    if 'JSON' not in why:
        assert found['second']['kernels'] == ['_forward']
        assert found['second']['arguments'] == '_forward(float32[1x2], 3) on the grid (4,)'


def test_a_worker_that_goes_between_two_jobs_costs_one(jobs_of):
    found = jobs_of('print(json.dumps(dict(status="passed", why="")), flush=True); os._exit(3)')
    assert [each['status'] for each in found.values()] == ['passed', 'passed', 'failed']
    assert 'ended with 3' in found['third']['why']


def test_what_the_end_of_the_time_ends_did_not_hang(jobs_of):
    found = jobs_of('time.sleep(60)', seconds=5.0, patience=30.0)
    assert [each['status'] for each in found.values()] == ['passed', 'not run', 'not run']
    assert [each['why'] for each in found.values()][1:] == ['ended, out of time', 'out of time']


def test_the_tests_that_had_ended_are_kept(monkeypatch, tmp_path):
    def run(*args, **options):
        said = (
            b'tests/ops/triton/test_a.py::test_one[a-b c] PASSED [ 10%]\n'
            b'tests/ops/triton/test_a.py::test_two FAILED [ 20%]\n'
            b'tests/ops/triton/test_b.py::test_three '
        )
        raise subprocess.TimeoutExpired('pytest', 5, said)

    monkeypatch.setattr(suite.subprocess, 'run', run)
    found = suite.run(5, cpu=True)
    assert [(name, each['status']) for name, each in found.items()] == [
        ('tests test_a: test_one[a-b c]', 'passed'),
        ('tests test_a: test_two', 'failed'),
        ('tests', 'failed'),
    ]
    assert found['tests']['why'] == 'no end within 5 s, 2 tests had ended'
    monkeypatch.setattr(suite, 'ROOT', tmp_path)  # as a wheel has it
    assert suite.run(5, cpu=True)['tests']['status'] == 'skipped'


@pytest.mark.skipif(missing() is not None, reason='it rehearses with the kernels')
def test_what_was_not_run_is_no_success(tmp_path, capsys):
    out = ['--out', str(tmp_path)]
    assert gpu_check.main(['--cpu', '--minutes', '0.00001', '--only', 'check carafe', *out]) == 1
    assert 'check: 0 of ' in capsys.readouterr().out


def test_what_does_not_begin_in_time_is_told(monkeypatch):
    found = {}
    pool.run(['a', 'b'], 2, True, time.monotonic() - 1, 1.0, found.__setitem__)
    assert {each['status'] for each in found.values()} == {'not run'}


def test_pages(tmp_path):
    pytest.importorskip('matplotlib')
    row = dict(entry='FreqFusion', shape='', dtype='float32', passes='forward+backward', status='ok', iqr_ms=0.1)
    found = {
        'tests a: b[x|y]': dict(status='skipped', why='no device', arguments='b'),
        'check carafe: float16': dict(status='failed', why='off by 1', arguments='carafe(a)', kernels=['_forward']),
        'benchmark FreqFusion: float32': dict(
            status='passed',
            why='',
            rows=[
                dict(row, way='ours', ms=2.0, gb_s=900.0, of_copy=0.5, peak_mib=10.0),
                dict(row, way='unfold', ms=8.0, gb_s=200.0, of_copy=0.1, peak_mib=30.0),
                dict(row, way='mmcv', status='not installed'),
                dict(row, way='copy', ms=1.0),
            ],
        ),
    }
    facts = dict(device='Card', torch='2', triton='3')
    page = report.markdown(facts, found)
    assert '**check carafe: float16** (launched: _forward)' in page and '`carafe(a)`' in page
    assert '| 2 (0.1) | 1 | 900 | 0.5 | 10 | 8 (0.1) | 4 | 3 |' in page and 'not installed' in page
    assert report.plot(facts, found, tmp_path / 'a.png') and (tmp_path / 'a.png').stat().st_size
    said = report.summary(facts, found, 12.0)
    assert 'check      1 failed' in said and 'FAILED check carafe: float16: off by 1' in said
    assert '2 ms, 4 times faster than unfold, 3 times less memory, 50% of a copy' in said


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_it_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match='torch sees no CUDA device; --cpu rehearses'):
        gpu_check.main(['--out', str(tmp_path)])
    with pytest.raises(SystemExit, match='--only nothing: no job has this in its name'):
        gpu_check.main(['--cpu', '--only', 'nothing'])


def test_without_the_kernels_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, 'missing', lambda: 'triton 2.1.0 is older than 3.5: use a torch from 2.9 on')
    with pytest.raises(SystemExit, match='the Triton kernels that are checked, and triton 2.1.0 is older'):
        gpu_check.main(['--cpu', '--out', str(tmp_path)])


#: Of a fresh process: no package of OpenMMLab, and none of those that a bare machine lacks, can be imported.
BARE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        absent = ('mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain', 'torchvision', 'torchmetrics')
        if name.partition('.')[0] in absent:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Refuse())
"""
#: The same, and a kernel that fails where it is launched.
BROKEN = """
from triton.runtime import interpreter

run = interpreter.InterpretedFunction.run

def failing(kernel, *args, **options):
    if kernel.fn.__name__ == '_grad_logits':
        raise RuntimeError('an illegal memory access was encountered')
    return run(kernel, *args, **options)

interpreter.InterpretedFunction.run = failing
"""


def rehearsed(tmp_path, start, *arguments):
    """The process, and what it found, on a machine where every process begins with `start`."""
    pytest.importorskip('matplotlib')
    if (reason := missing()) is not None:
        pytest.skip(reason)
    (tmp_path / 'sitecustomize.py').write_text(start)
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    out = tmp_path / 'out'
    command = [sys.executable, '-m', 'freqfusion_mm', 'gpu-check', '--cpu', '--out', str(out), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (out / 'gpu_check.json').exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return done, json.loads((out / 'gpu_check.json').read_text())['found'], (out / 'gpu_check.md').read_text()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_rehearsal(tmp_path):
    """Every job, in fresh processes without any framework: a minute on two cores of their own."""
    done, found, page = rehearsed(tmp_path, BARE, '--minutes', '15')
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert {name for name in found if not name.startswith('tests ')} == set(jobs.jobs(cpu=True))
    counted = report.counts(found)
    assert all(set(counted[phase]) == {'passed'} for phase in jobs.PHASES), counted
    assert set(counted['tests']) <= {'passed', 'skipped'} and counted['tests']
    assert 'mmcv none' in done.stdout and (tmp_path / 'out/gpu_check.png').stat().st_size
    named = next(each for name, each in found.items() if 'normalize_kernels: float32, batch 1,' in name)
    assert all(kernel.startswith('triton_normalize_kernels.') for kernel in named['kernels'])
    assert len(named['kernels']) == (0 if missing() else 2)  # forward and backward
    for row in ('FreqFusion | compiled', 'carafe x2 k5 | bfloat16 | forward+backward', '| check | '):
        assert row in page
    *_, summary = done.stdout.partition('wrote ')
    assert len(summary.splitlines()) < 30 and 'FreqFusion, float32, forward+backward' in summary


@pytest.mark.slow
@pytest.mark.skipif(missing() is not None, reason='no Triton, so no kernel to fail')
def test_a_kernel_that_fails_is_named_and_the_rest_goes_on(tmp_path):
    words = ['check normalize_kernels: float32', 'check layer DySample: float32', 'training bilinear: float32']
    done, found, page = rehearsed(tmp_path, BARE + BROKEN, '--only', *words)
    assert done.returncode == 1
    failed = report.failures(found)
    assert set(failed) == {name for name in found if 'normalize_kernels: float32, batch 1,' in name}
    for each in failed.values():
        assert each['kernels'] == ['triton_normalize_kernels._normalize', 'triton_normalize_kernels._grad_logits']
        assert 'illegal memory access' in each['why'] and 'at ops/kernels/triton_normalize_kernels.py:' in each['why']
        assert each['arguments'].startswith('triton_normalize_kernels._grad_logits(float32[1x50x6x8]')
        assert f'`{each["arguments"]}`' in page
    assert {each['status'] for name, each in found.items() if name not in failed} == {'passed'}
    assert f'FAILED {next(iter(failed))}' in done.stdout
