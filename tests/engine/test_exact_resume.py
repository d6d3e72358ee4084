"""A run that is killed and resumed ends with the weights of the uninterrupted run, bit for bit."""

import copy
import json
import os
import pickle
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial
from inspect import signature
from itertools import islice, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

pytest.importorskip('mmengine', reason='a hook of mmengine')

import exact_run  # noqa: E402
from exact_run import Noisy, run  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.dataset import DefaultSampler, InfiniteSampler  # noqa: E402
from mmengine.runner import IterBasedTrainLoop  # noqa: E402

from freqfusion_mm.engine.exact_loading import EndlessBatches, load_exactly  # noqa: E402
from freqfusion_mm.engine.hooks.exact_resume import ExactResume  # noqa: E402
from freqfusion_mm.engine.newest_checkpoint import newest_checkpoint  # noqa: E402

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
            [sys.executable, exact_run.__file__, options],
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


#: Half of the combinations have every pair.
SAMPLE = (('iterations', 0, 1), ('iterations', 2, 2), ('epochs', 2, 1), ('epochs', 0, 2))
KILLS = [
    pytest.param(*each, marks=() if each in SAMPLE else pytest.mark.exhaustive)
    for each in product(LOOPS, (0, 2), (1, 2))
]


@pytest.mark.slow
@pytest.mark.parametrize('loop, workers, processes', KILLS)
def test_a_kill_changes_nothing(tmp_path, loop, workers, processes):
    options = dict(LOOPS[loop], workers=workers, processes=processes, seed=3)
    if processes == 2 and loop == 'epochs':
        options['kill_after'] = 14  # an epoch is half as long
    assert same(*killed_and_resumed(tmp_path, **options))


def restarted(tmp_path, last, **options):
    """Weights of an uninterrupted run, and of one that goes on from a checkpoint of it, in this process."""
    wanted = run(tmp_path / 'whole', **options)
    resumed = tmp_path / 'resumed'
    resumed.mkdir()
    shutil.copy(tmp_path / 'whole' / last, resumed)
    (resumed / 'last_checkpoint').write_text(str(resumed / last))
    return run(resumed, resume=True, **options), wanted


RESTARTS = {
    'a seed that nobody chose': ('iter_20.pth', dict()),
    'every rank its own seed': ('iter_20.pth', dict(diff_rank_seed=True)),
    'averaged weights': ('iter_10.pth', dict(ema=True)),
    'a finite sampler in an iteration loop': ('iter_20.pth', dict(sampler='DefaultSampler', count=28)),
    'a pass that ends within the iterations': ('iter_20.pth', dict(sampler='DefaultSampler', batch_size=3)),
    'within an epoch': ('iter_8.pth', dict(epochs=5, sampler='DefaultSampler', by_epoch=False, interval=4)),
    'at the end of an epoch': ('iter_10.pth', dict(epochs=5, sampler='DefaultSampler', by_epoch=False, interval=5)),
    'workers': ('iter_20.pth', dict(workers=2, iterations=24)),
    **(
        {'a loop that skips no batches': ('iter_20.pth', dict(loop=dict(fast_forward_on_resume=True)))}
        if 'fast_forward_on_resume' in signature(IterBasedTrainLoop.__init__).parameters
        else {}
    ),
    'persistent workers': (
        'epoch_2.pth',
        dict(epochs=4, sampler='DefaultSampler', interval=1, workers=2, persistent=True),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize('name', RESTARTS)
def test_a_restart_changes_nothing(tmp_path, name):
    last, options = RESTARTS[name]
    found, wanted = restarted(tmp_path, last, **options)
    assert same(found, wanted)
    # The run is sensitive to its random numbers, or the comparison above says nothing.
    assert not same(run(tmp_path / 'other', **dict(options, seed=12345)), wanted)


@pytest.mark.parametrize('last, options', [
    ('iter_20.pth', dict(workers=2)),
    ('iter_8.pth', dict(epochs=5, sampler='DefaultSampler', by_epoch=False, interval=4)),
])  # fmt: skip
@pytest.mark.slow
def test_batches_by_aspect_ratio(tmp_path, last, options):
    samplers = pytest.importorskip('mmdet.datasets.samplers')
    batch_sampler = dict(type=samplers.AspectRatioBatchSampler)
    found, wanted = restarted(tmp_path, last, batch_sampler=batch_sampler, **options)
    assert same(found, wanted)


@pytest.mark.slow
def test_without_the_hook_it_differs(tmp_path):
    found, wanted = restarted(tmp_path, 'iter_20.pth', exact=False, seed=3)
    assert not same(found, wanted)


def test_the_number_of_workers_changes_nothing(tmp_path):
    assert same(run(tmp_path / '0', seed=5), run(tmp_path / '2', seed=5, workers=2))


def test_a_resume_takes_the_newest_whole_checkpoint(tmp_path):
    wanted = run(tmp_path, seed=3)
    content = (tmp_path / 'iter_30.pth').read_bytes()
    (tmp_path / 'iter_30.pth').write_bytes(content[: len(content) // 2])
    assert same(run(tmp_path, seed=3, resume=True), wanted)
    text = '\n'.join(file.read_text() for file in tmp_path.glob('*/*.log'))
    assert re.search(r'iter_30\.pth \(\d+ bytes, cut off.* Going on from .*iter_20\.pth', text)
    assert newest_checkpoint(tmp_path) == str(tmp_path / 'iter_30.pth')  # written anew


@pytest.mark.slow
def test_a_checkpoint_without_the_hook_is_resumed_with_a_warning(tmp_path):
    run(tmp_path, exact=False, iterations=10)
    run(tmp_path, resume=True)
    text = '\n'.join(file.read_text() for file in tmp_path.glob('*/*.log'))
    assert 'this run goes on, but not exactly' in text


def test_another_batch_size_is_resumed_with_a_warning(tmp_path):
    options = dict(epochs=4, sampler='DefaultSampler', by_epoch=False, interval=7)
    run(tmp_path, **options)
    weights = run(tmp_path, resume=True, **dict(options, batch_size=10))
    assert all(value.isfinite().all() for value in weights.values())
    assert 'not exactly' in '\n'.join(file.read_text() for file in tmp_path.glob('*/*.log'))


def test_the_checkpoint_holds_plain_data(tmp_path):
    from freqfusion_mm.apis.checkpoint import read_checkpoint

    run(tmp_path, seed=3, iterations=10)
    saved = read_checkpoint(tmp_path / 'iter_10.pth')['exact_resume']
    assert saved == dict(batches_per_pass=5, world_size=1, sampler_seed=3, done=0)


def test_every_draw_has_its_own_numbers():
    dataset = Noisy(6)
    sampler = BatchSampler(DefaultSampler(dataset, seed=0), 4, drop_last=False)
    loader = DataLoader(dataset, batch_sampler=sampler)
    load_exactly(loader, seed=0, rank=0, endless=True)
    batches = islice(loader, 4)  # two passes
    rows = torch.cat([batch['inputs'] for batch in batches])
    assert len(rows) == 12
    for column in (0, 1, 2, 4):  # Python's, numpy's, torch's
        assert len(rows[:, column].unique()) == 12


def test_every_pass_of_an_iteration_loop_has_its_own_order():
    dataset = Noisy(64)
    loader = DataLoader(dataset, batch_sampler=BatchSampler(DefaultSampler(dataset, seed=0), 64, drop_last=False))
    load_exactly(loader, seed=0, rank=0, endless=True)
    first, second = (batch['inputs'][:, 3] for batch in islice(loader, 2))  # the index, as a share
    assert not torch.equal(first, second) and torch.equal(first.sort().values, second.sort().values)


def test_ranks_draw_different_numbers():
    rows = []
    for rank in (0, 1, 0):
        loader = DataLoader(Noisy(4), batch_size=4)
        load_exactly(loader, seed=0, rank=rank, endless=False)
        rows.append(next(iter(loader))['inputs'])
    assert torch.equal(rows[0], rows[2]) and not (rows[0][:, :3] == rows[1][:, :3]).any()


def test_nothing_is_loaded_for_skipped_batches():
    loaded = []

    class Counting(Noisy):
        def __getitem__(self, index):
            loaded.append(index)
            return super().__getitem__(index)

    loader = DataLoader(Counting(1000), batch_size=2)
    load_exactly(loader, seed=0, rank=0, endless=True)
    batches = EndlessBatches(loader)
    batches.skip_iter(400)
    next(batches)
    owing = EndlessBatches(loader, 400, drawn=True)
    assert [next(owing) for _ in range(400)] == [None] * 400
    next(owing)
    next(EndlessBatches(loader, 400))
    assert loaded == [800, 801] * 3


def test_the_data_set_stays_what_hooks_expect():
    dataset = Noisy(4)
    loader = DataLoader(dataset, batch_size=2)
    load_exactly(loader, seed=0, rank=0, endless=False)
    load_exactly(loader, seed=0, rank=0, endless=False)  # a second training in one process
    assert loader.dataset is dataset and len(loader) == 2 and loader.batch_sampler.batch_size == 2
    next(iter(loader))
    rows = next(iter(DataLoader(dataset, batch_size=4)))['inputs']  # another loader of the same data set
    assert len(rows[:, 0].unique()) == len(rows[:, 2].unique()) == 4  # whose numbers nobody seeds
    pickle.loads(pickle.dumps(loader.batch_sampler)), copy.deepcopy(dataset)


def test_what_cannot_be_made_exact_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(TypeError, match='wants a data set with indices .* got Stream'):
        load_exactly(DataLoader(Stream()), 0, 0, endless=False)
    with pytest.raises(TypeError, match='makes batches, got Noisy and batch_size=None'):
        load_exactly(DataLoader(Noisy(3), batch_size=None), 0, 0, endless=False)
    with pytest.raises(ValueError, match='the training data set Noisy is empty'):
        load_exactly(DataLoader(Noisy(0), sampler=InfiniteSampler(Noisy(0))), 0, 0, endless=True)
    loader = DataLoader(Noisy(3), batch_size=4, drop_last=True)
    load_exactly(loader, 0, 0, endless=True)
    with pytest.raises(ValueError, match='no batch to give: 3 samples'):
        next(iter(loader))


def test_one_kept_checkpoint_is_warned_of(tmp_path):
    run(tmp_path, iterations=2, keep=1)
    assert 'max_keep_ckpts=1' in '\n'.join(file.read_text() for file in tmp_path.glob('*/*.log'))


@pytest.mark.slow
def test_our_own_configs_use_it():
    files = [path for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_']
    assert len(files) > 100
    for path in files:
        hooks = Config.fromfile(path, import_custom_modules=False).get('default_hooks') or {}
        assert hooks.get('exact_resume') == dict(type='ExactResume'), path


def test_buckets_of_a_pass_that_stopped_midway_are_emptied():
    """Older mmengines begin a pass at once; mmdet's sampler keeps in itself what such a pass has gathered."""
    batch_samplers = pytest.importorskip('mmdet.datasets.samplers')

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return 24

        def get_data_info(self, index):
            return dict(width=2 if index % 3 else 1, height=1.5)

        def __getitem__(self, index):
            return index

    sampler = DefaultSampler(Images(), shuffle=False)
    batches = batch_samplers.AspectRatioBatchSampler(sampler, batch_size=4)
    loader = torch.utils.data.DataLoader(Images(), batch_sampler=batches, collate_fn=list)
    begun = iter(batches)
    next(begun)  # it waits before it empties its bucket
    load_exactly(loader, seed=0, rank=0, endless=False)
    assert sorted(index for batch in loader for index in batch) == list(range(24))


def test_every_rank_and_moment_has_random_numbers_of_its_own(monkeypatch):
    runner, hook = SimpleNamespace(seed=3, iter=7, epoch=0), ExactResume()
    hook.batches = SimpleNamespace(endless=True)

    def drawn(rank, begin):
        monkeypatch.setattr('freqfusion_mm.engine.hooks.exact_resume.get_rank', lambda: rank)
        begin(runner)
        return random.random(), np.random.rand(), torch.rand(()).item()

    moments = list(product((0, 1), (hook.before_train_epoch, partial(hook.before_train_iter, batch_idx=0))))
    first = [drawn(*moment) for moment in moments]
    assert len(set(first)) == 4
    assert [drawn(*moment) for moment in moments] == first
