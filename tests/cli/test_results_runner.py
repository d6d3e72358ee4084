"""Runs side by side: what is skipped, what fails, what a kill costs, and what one CSV keeps of several writers."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip('mmengine', reason='jobs hold configs of mmengine')

from freqfusion_mm.apis.shared_files import locked  # noqa: E402
from freqfusion_mm.apis.studies.children import ended_by_signals  # noqa: E402
from freqfusion_mm.apis.studies.jobs import Job  # noqa: E402
from freqfusion_mm.apis.studies.raw_values import RawValues, curve_values, newest  # noqa: E402
from freqfusion_mm.apis.studies.runner import TimeLeft, run_jobs  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
#: Behaves as the real worker does, and as its job's name says.
STUB = """
import json, os, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
job = json.loads((folder / 'job.json').read_text())
with open(folder.parent / 'started.txt', 'a') as file:
    file.write(f"{job['name']}{job['seed']} ")
if job['name'] == 'garbles':
    sys.stderr.buffer.write(b'Stra\\xdfe')
    sys.exit(1)
if job['name'] == 'fails':
    sys.exit('the loss is gone')
if job['name'] == 'killed':
    os.kill(os.getpid(), signal.SIGKILL)
if job['name'] == 'silent':
    sys.exit()
if job['name'] == 'sleeps':
    (folder / 'pid').write_text(str(os.getpid()))
    time.sleep(60)
if job['name'] == 'slow':  # another runner writes a line meanwhile
    (folder.parent.parent / 'results.csv').write_text('name,config_hash,seed\\nb,h,0\\n')
if job['name'] == 'meets':  # ends only beside another one
    (folder / 'here').touch()
    while len(list(folder.parent.glob('meets*/here'))) < 2:
        time.sleep(0.01)
values = {'commit': 'c', 'train_seconds': 2.0, 'test/mIoU': 50.0 + job['seed']}
values['threads'] = os.environ['OMP_NUM_THREADS']
values['memory'] = os.environ['MALLOC_MMAP_MAX_'] + ' ' + os.environ['MALLOC_TOP_PAD_']
if job['name'] == 'b':
    values['val/x'] = 1.0
(folder / 'result.json').write_text(json.dumps({'values': values, 'curves': [['train/loss', 10, 0.5 + job['seed']]]}))
"""


@pytest.fixture
def bench(tmp_path):
    """Runs jobs, given as (name, seed), with the stub: the failed ones' names, the messages, and the lines."""
    stub = tmp_path / 'stub.py'
    stub.write_text(STUB)
    command = [sys.executable, '-S', str(stub)]

    def run(*pairs, parallel=1, **options):
        jobs = [Job(name, f'{name}.py', options.get('config_hash', 'h'), seed) for name, seed in pairs]
        said, table = [], RawValues(tmp_path / 'results.csv')
        failed = run_jobs(
            jobs,
            table,
            tmp_path / 'work',
            curves=curve_values(tmp_path / 'curves.csv'),
            parallel=parallel,
            finished=options.get('finished', lambda line: None),
            command=command,
            report=said.append,
        )
        return [job.name for job in failed], said, table.read()

    run.started = lambda: (tmp_path / 'work' / 'started.txt').read_text().split()
    return run


def test_memory_is_kept_unless_the_caller_says_otherwise(bench, monkeypatch):
    monkeypatch.setenv('MALLOC_MMAP_MAX_', '7')
    monkeypatch.delenv('MALLOC_TOP_PAD_', raising=False)
    _, _, lines = bench(('a', 0))
    assert lines[0]['memory'] == '7 268435456'


def test_a_finished_run_is_one_line_and_is_not_run_again(bench):
    failed, said, lines = bench(('a', 0), ('a', 1))
    assert not failed and said[0].startswith('[1/2] a, seed 0: test/mIoU 50, ') and said[1].endswith(' 0:00:00 left')
    assert [(line['name'], line['seed'], line['test/mIoU'], line['threads']) for line in lines] == [
        ('a', '0', '50', '1'),
        ('a', '1', '51', '1'),
    ]
    _, said, lines = bench(('a', 0), ('b', 0), ('a', 1))
    assert bench.started() == ['a0', 'a1', 'b0'] and said[0] == '2 of 3 runs are finished already'
    assert [line['val/x'] for line in lines] == ['', '', '1']  # a new metric: the table stays rectangular
    bench(('a', 0), config_hash='another')
    assert bench.started()[3:] == ['a0']
    _, _, lines = bench(('a', 1))  # back to the first config: it is shown again, with all of its seeds
    assert len(bench.started()) == 4 and sorted(newest(lines)['a']) == [0, 1]
    assert {line['config_hash'] for line in newest(lines)['a'].values()} == {'h'}


def test_a_broken_file_of_one_run_costs_that_one_alone(bench, monkeypatch):
    whole = RawValues.add

    def add(values, *lines):
        if any(line.get('name') == 'a' for line in lines) and values.path.name == 'results.csv':
            raise ValueError('line 3 has 5 cells')
        whole(values, *lines)

    monkeypatch.setattr(RawValues, 'add', add)
    failed, said, lines = bench(('a', 0), ('b', 0), ('b', 1), parallel=2)
    assert failed == ['a'] and [(line['name'], line['seed']) for line in lines] in (
        [('b', '0'), ('b', '1')],
        [('b', '1'), ('b', '0')],
    )
    (words,) = [each for each in said if 'FAILED' in each]
    assert 'line 3 has 5 cells; what it has measured stays in' in words
    monkeypatch.setattr(RawValues, 'add', whole)
    assert bench(('a', 0))[0] == [] and bench.started().count('a0') == 1  # of what was measured


def test_a_failed_and_a_killed_run_cost_themselves_alone(bench, tmp_path):
    failed, said, lines = bench(('fails', 0), ('killed', 0), ('silent', 0), ('a', 0))
    assert failed == ['fails', 'killed', 'silent'] and [line['name'] for line in lines] == ['a']
    assert 'exit status 1' in said[0] and said[0].endswith('\n    the loss is gone')
    assert 'signal 9' in said[1] and 'exit status 0 without a result' in said[2]
    assert (tmp_path / 'work' / 'fails_seed0_h' / 'stderr.txt').read_text() == 'the loss is gone\n'
    bench(('killed', 0), ('a', 0))
    assert bench.started()[4:] == ['killed0']


def test_an_old_result_is_not_taken_for_that_of_a_failed_run(bench, tmp_path):
    folder = tmp_path / 'work' / 'killed_seed0_h'
    folder.mkdir(parents=True)
    (folder / 'result.json').write_text('{"values": {}, "curves": []}')
    assert bench(('killed', 0))[0] == ['killed']


def test_a_line_that_is_refused_costs_its_run_alone(bench):
    def finished(line):
        if line['name'] == 'a':
            raise ValueError('a gave no mIoU')

    for _ in range(2):  # a new run, and one that was there
        failed, said, lines = bench(('a', 0), ('b', 0), finished=finished)
        assert failed == ['a'] and 'a gave no mIoU' in said and len(lines) == 2


def test_jobs_run_side_by_side(bench):
    failed, _, lines = bench(('meets', 0), ('meets', 1), parallel=2)
    assert not failed and {line['seed'] for line in lines} == {'0', '1'}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_children(bench, tmp_path, number):
    """Started as a process of its own: the signal goes to it alone, as Ctrl-C does."""
    code = f"""
from pathlib import Path
from freqfusion_mm.apis.studies.jobs import Job
from freqfusion_mm.apis.studies.raw_values import RawValues
from freqfusion_mm.apis.studies.runner import run_jobs
jobs = [Job('sleeps', 'x.py', 'h', seed) for seed in range(3)]
run_jobs(jobs, RawValues(Path({str(tmp_path)!r}, 'r.csv')), Path({str(tmp_path)!r}), parallel=2,
         command=[{sys.executable!r}, '-S', {str(tmp_path / 'stub.py')!r}])
"""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, '-c', code],
        env=environment,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a shell's background jobs inherit it ignored
    )
    try:
        until = time.monotonic() + 60
        while len(list(tmp_path.glob('sleeps*/pid'))) < 2:
            assert time.monotonic() < until and parent.poll() is None
            time.sleep(0.05)
        time.sleep(0.1)
        parent.send_signal(number)
        assert parent.wait(20) != 0
    finally:
        parent.kill()
        parent.communicate()
    for file in tmp_path.glob('sleeps*/pid'):
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)
    assert len(list(tmp_path.glob('sleeps*'))) == 2  # the third was not started


def test_what_nohup_ignores_ends_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, signal.SIG_DFL)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_two_runs_do_not_share_a_folder(bench, tmp_path):
    """As where the command is given twice: the files of the run that works there stay as they are."""
    folder = tmp_path / 'work' / 'a_seed0_h'
    folder.mkdir(parents=True)
    (folder / 'stderr.txt').write_text('of the first')
    with locked(folder):
        failed, said, lines = bench(('a', 0), ('b', 0))
    assert failed == ['a'] and f'another run works in {folder}: wait for its end' in said[0]
    assert (folder / 'stderr.txt').read_text() == 'of the first' and [line['name'] for line in lines] == ['b']


def test_a_run_holds_its_folder_when_its_parent_is_killed(bench, tmp_path):
    folder = tmp_path / 'work' / 'sleeps_seed0_h'
    code = f"""
import sys
from pathlib import Path
from freqfusion_mm.apis.shared_files import locked
from freqfusion_mm.apis.studies.children import Children
folder = Path(sys.argv[1])
(folder / 'job.json').write_text('{{"name": "sleeps", "seed": 0}}')
with locked(folder) as held:
    Children([{sys.executable!r}, '-S', {str(tmp_path / 'stub.py')!r}]).run(folder, held)
"""
    folder.mkdir(parents=True)
    parent = subprocess.Popen([sys.executable, '-c', code, str(folder)], env={**os.environ, 'PYTHONPATH': str(ROOT)})
    try:
        until = time.monotonic() + 60
        while not (folder / 'pid').exists() or not (folder / 'pid').read_text():
            assert time.monotonic() < until and parent.poll() is None
            time.sleep(0.05)
        parent.kill()
        parent.wait()
        assert 'another run works in' in bench(('sleeps', 0))[1][0]
    finally:
        parent.kill()
        os.kill(int((folder / 'pid').read_text()), signal.SIGKILL)


def test_what_another_runner_has_finished_meanwhile_is_not_run_again(bench):
    failed, said, lines = bench(('slow', 0), ('b', 0))
    assert not failed and bench.started() == ['slow0'] and len(lines) == 2
    assert said[1] == '[2/2] b, seed 0: finished already, by another runner'


def test_a_result_that_was_not_written_down_any_more_counts(bench, tmp_path):
    bench(('a', 0))
    folder, job = tmp_path / 'work' / 'a_seed0_h', Job('a', 'a.py', 'h', 0)
    assert not (folder / 'result.json').exists()  # it is in the CSV: who takes it out there wants it to run again
    (folder / 'result.json').write_text('{"values": {"test/mIoU": 7}, "curves": []}')
    (tmp_path / 'results.csv').unlink()
    assert json.loads((folder / 'job.json').read_text()) == json.loads(json.dumps(asdict(job)))
    failed, _, lines = bench(('a', 0))
    assert not failed and lines[0]['test/mIoU'] == '7' and bench.started() == ['a0']


def test_last_words_of_any_encoding(bench):
    failed, said, lines = bench(('garbles', 0), ('a', 0))
    assert failed == ['garbles'] and 'Stra\ufffde' in said[0] and len(lines) == 1


def test_curves_are_there_before_the_line_that_says_finished(bench, tmp_path, monkeypatch):
    add = RawValues.add

    def interrupted(self, *lines):
        if self.path.name == 'results.csv':
            raise KeyboardInterrupt
        add(self, *lines)

    monkeypatch.setattr(RawValues, 'add', interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench(('a', 0))
    assert (tmp_path / 'curves.csv').exists()


def test_the_time_left_is_the_mean_of_a_row_for_each_of_its_runs():
    waiting = [Job('a', '', 'h', 1), Job('a', '', 'h', 2), Job('b', '', 'h', 1), Job('c', '', 'h', 1)]
    left = TimeLeft(waiting, 2, [{'name': 'a', 'train_seconds': '10'}, {'name': 'b', 'train_seconds': '40'}])
    assert left.seconds() == (10 + 10 + 40 + 25) / 2  # nobody knows c yet: the mean of a and b
    left.ended(waiting[0], 20.0)
    assert left.seconds() == (20 + 40 + 30) / 2  # with its test, which the line of the first one leaves out
    left.ended(waiting[2], None)  # failed: it teaches nothing
    assert left.seconds() == (20 + 30) / 2
    left.ended(waiting[1], None)
    assert left.seconds() == 30  # the last one has nobody beside it
    assert TimeLeft(waiting, 2, []).left() == 'time left unknown'


def test_two_writers_lose_no_line(tmp_path):
    code = """
import sys
from pathlib import Path
from freqfusion_mm.apis.studies.raw_values import RawValues
table = RawValues(Path(sys.argv[1]))
for seed in range(20):
    table.add({'name': sys.argv[2], 'config_hash': 'h', 'seed': seed, f'test/{sys.argv[2]}{seed % 3}': 1.5})
"""
    file = tmp_path / 'results.csv'
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}

    def write(name):
        return subprocess.run([sys.executable, '-c', code, str(file), name], env=environment, check=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, 'ab'))
    with open(file, newline='') as opened:
        head, *lines = csv.reader(opened)
    assert sorted(head[12:]) == ['test/a0', 'test/a1', 'test/a2', 'test/b0', 'test/b1', 'test/b2']
    assert {len(line) for line in lines} == {len(head)}
    assert sorted((line[0], int(line[3])) for line in lines) == [(name, seed) for name in 'ab' for seed in range(20)]
    assert [path.name for path in tmp_path.iterdir()] == ['results.csv']


def test_a_line_of_the_same_run_is_replaced_and_curves_keep_the_newest(tmp_path):
    table = RawValues(tmp_path / 'results.csv')
    line = {'name': 'a', 'config_hash': 'h', 'seed': 0}
    table.add({**line, 'test/x': 1.0})
    table.add({**line, 'seed': 1, 'test/x': 2.0}, {**line, 'config_hash': 'g', 'test/x': 3.0})
    table.add({**line, 'test/x': 4.0})
    assert [found['test/x'] for found in table.read()] == ['2', '3', '4']
    # the config that ran last is h: what g measured is another experiment
    assert {seed: found['test/x'] for seed, found in newest(table.read())['a'].items()} == {0: '4', 1: '2'}
    curves = curve_values(tmp_path / 'curves.csv')
    point = {**line, 'metric': 'train/loss', 'value': 1.0}
    curves.add(*({**point, 'step': step} for step in (1, 2, 3)))
    curves.add(*({**point, 'step': step} for step in (5, 6)), {**point, 'seed': 1, 'step': 5})
    assert [(found['seed'], found['step']) for found in curves.read()] == [('0', '5'), ('0', '6'), ('1', '5')]
