"""A run that is killed and resumed ends with the weights of the uninterrupted run, bit for bit."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmengine', reason='a hook of mmengine')

sys.path.insert(0, str(Path(__file__).parent))

import exact_resume_run  # noqa: E402
from exact_resume_run import run  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def same(found, wanted):
    assert found.keys() == wanted.keys()
    return all(torch.equal(found[name], wanted[name]) for name in wanted)


def start(work_dir, processes=1, **options):
    """Train in processes of their own; their exit statuses."""
    options = json.dumps(dict(options, work_dir=str(work_dir), launcher='pytorch' if processes > 1 else 'none'))
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    environment.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE=str(processes))
    ranks = [
        subprocess.Popen(
            [sys.executable, exact_resume_run.__file__, options],
            env=dict(environment, RANK=str(rank), LOCAL_RANK=str(rank)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    ends = [process.communicate(timeout=300)[1] for process in ranks]
    return [process.returncode for process in ranks], '\n'.join(ends)


def killed_and_resumed(tmp_path, kill_after, **options):
    """Weights of the uninterrupted run, and of one that was killed and went on."""
    found = {}
    for name, kills in (('whole', [None]), ('resumed', [kill_after, None])):
        folder = tmp_path / name
        for turn, kill in enumerate(kills):
            statuses, text = start(folder, kill_after=kill, resume=turn > 0, **options)
            assert all(status == (-signal.SIGKILL if kill else 0) for status in statuses), text[-3000:]
        found[name] = torch.load(folder / 'weights.pt')
    return found['resumed'], found['whole']


LOOPS = {
    'iterations': dict(kill_after=25),
    'epochs': dict(kill_after=23, epochs=6, sampler='DefaultSampler', interval=2),
}


@pytest.mark.slow
@pytest.mark.parametrize('processes', [1, 2])
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('loop', LOOPS)
def test_a_kill_changes_nothing(tmp_path, loop, workers, processes):
    options = dict(LOOPS[loop], workers=workers, processes=processes, seed=3)
    if processes == 2 and loop == 'epochs':
        options['kill_after'] = 14  # an epoch is half as long
    assert same(*killed_and_resumed(tmp_path, **options))


def restarted(tmp_path, last, **options):
    """Weights of an uninterrupted run, and of one that goes on from a checkpoint of it, in this process."""
    wanted = run(tmp_path / 'whole', **options)
    shutil.copytree(tmp_path / 'whole', tmp_path / 'resumed')
    (tmp_path / 'resumed' / 'last_checkpoint').write_text(str(tmp_path / 'whole' / last))
    return run(tmp_path / 'resumed', resume=True, **options), wanted


@pytest.mark.parametrize(
    'last, options',
    {
        'a seed that nobody chose': ('iter_20.pth', dict()),
        'every rank its own seed': ('iter_20.pth', dict(diff_rank_seed=True)),
        'averaged weights': ('iter_10.pth', dict(ema=True)),
        'a finite sampler in an iteration loop': ('iter_20.pth', dict(sampler='DefaultSampler', count=28)),
        'a pass that ends within the iterations': ('iter_20.pth', dict(sampler='DefaultSampler', batch_size=3)),
        'within an epoch': ('iter_8.pth', dict(epochs=5, sampler='DefaultSampler', by_epoch=False, interval=4)),
        'at the end of an epoch': ('iter_10.pth', dict(epochs=5, sampler='DefaultSampler', by_epoch=False, interval=5)),
        'persistent workers': ('epoch_2.pth', dict(epochs=4, sampler='DefaultSampler', interval=1, workers=2, persistent=True)),
    }.values(),
)  # fmt: skip
def test_a_restart_changes_nothing(tmp_path, last, options):
    found, wanted = restarted(tmp_path, last, **options)
    assert same(found, wanted)
    # The run is sensitive to its random numbers, or the comparison above says nothing.
    assert not same(run(tmp_path / 'other', **dict(options, seed=12345)), wanted)


def test_without_the_hook_it_differs(tmp_path):
    found, wanted = restarted(tmp_path, 'iter_20.pth', exact=False, seed=3)
    assert not same(found, wanted)


def test_the_number_of_workers_changes_nothing(tmp_path):
    assert same(run(tmp_path / '0', seed=5), run(tmp_path / '2', seed=5, workers=2))
