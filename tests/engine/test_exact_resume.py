"""A run that is killed and resumed ends with the weights of the uninterrupted run, bit for bit.

This file is also the training script that the tests start as a process, so that it can be killed.
"""

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
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

pytest.importorskip('mmengine', reason='a hook of mmengine')

from mmengine.config import Config  # noqa: E402
from mmengine.dataset import DefaultSampler, InfiniteSampler  # noqa: E402
from mmengine.evaluator import BaseMetric  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.model import BaseModel, MMDistributedDataParallel  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

from freqfusion_mm.engine.exact_loading import EndlessBatches, load_exactly  # noqa: E402
from freqfusion_mm.engine.hooks.exact_resume import ExactResume  # noqa: E402
from freqfusion_mm.engine.newest_checkpoint import newest_checkpoint  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


class Noisy(torch.utils.data.Dataset):
    """Samples that draw from every generator an augmentation may use."""

    metainfo = dict(classes=('a',))

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        draws = torch.tensor([random.random(), np.random.rand(), torch.rand(()).item(), index / self.count])
        return dict(inputs=torch.cat([draws, torch.rand(4)]).float())

    def get_data_info(self, index):
        return dict(width=1 + index % 3, height=2)


class Dropping(BaseModel):
    """Dropout, batch norm and noise of the main process, drawn from every generator there."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 1))

    def forward(self, inputs, data_samples=None, mode='loss'):
        out = self.layers(inputs)
        if mode != 'loss':
            torch.rand(3), np.random.rand(5), random.random()  # a validation draws, too
            return [out]
        return dict(loss=(out.mean(1) - inputs.sum(1) * (1 + random.random() + np.random.rand())).square().mean())


class KillAfter(Hook):
    priority = 'LOWEST'

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


class Count(BaseMetric):
    """A validation to run."""

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return dict(count=len(results))


def run(work_dir, epochs=0, workers=0, sampler='InfiniteSampler', kill_after=None, resume=False, seed=None,
        by_epoch=None, interval=10, exact=True, persistent=False, launcher='none', diff_rank_seed=False, ema=False,
        iterations=30, count=20, batch_size=4, keep=-1, batch_sampler=None):  # fmt: skip
    epochs_loop = dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=1)
    iterations_loop = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=10)
    by_epoch = bool(epochs) if by_epoch is None else by_epoch
    hooks = dict(
        checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch, interval=interval, max_keep_ckpts=keep),
        logger=dict(type='LoggerHook', interval=5, log_metric_by_epoch=by_epoch),
    )
    if exact:
        hooks['exact_resume'] = dict(type=ExactResume)
    custom = [dict(type=KillAfter, iteration=kill_after)] if kill_after else []
    if ema:
        custom.append(dict(type='EMAHook'))
    torch.manual_seed(0)
    model = Dropping()
    if launcher != 'none':  # mmengine itself starts processes on GPUs only
        torch.distributed.init_process_group('gloo')
        model = MMDistributedDataParallel(module=model)
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=persistent,
            sampler=dict(type=sampler, shuffle=True),
            batch_sampler=batch_sampler,
            dataset=Noisy(count),
            collate_fn=dict(type='default_collate'),
        ),
        val_dataloader=dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=Noisy(4),
            collate_fn=dict(type='default_collate'),
        ),
        val_cfg=dict(type='ValLoop'),
        val_evaluator=dict(type=Count),
        train_cfg=epochs_loop if epochs else iterations_loop,
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01)),
        param_scheduler=[dict(type='CosineAnnealingLR', by_epoch=False, T_max=30)],
        default_hooks=hooks,
        custom_hooks=custom,
        resume=resume,
        launcher=launcher,
        randomness=dict(seed=seed, diff_rank_seed=diff_rank_seed),
        experiment_name=f'exact_{os.getpid()}_{random.getrandbits(40)}',
        log_level='WARNING',
    )
    runner.train()
    model = runner.model.module if hasattr(runner.model, 'module') else runner.model
    return {name: value.clone() for name, value in model.state_dict().items()}


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
            [sys.executable, __file__, options],
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
    owing = EndlessBatches(loader, owed=400)
    assert [next(owing) for _ in range(400)] == [None] * 400
    next(owing)
    assert loaded == [800, 801, 800, 801]


def test_the_data_set_stays_what_hooks_expect():
    dataset = Noisy(4)
    loader = DataLoader(dataset, batch_size=2)
    load_exactly(loader, seed=0, rank=0, endless=False)
    load_exactly(loader, seed=0, rank=0, endless=False)  # a second training in one process
    assert loader.dataset is dataset and len(loader) == 2 and loader.batch_sampler.batch_size == 2
    next(iter(loader))
    next(iter(DataLoader(dataset, batch_size=4)))  # another loader of the same data set
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


if __name__ == '__main__':
    options = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    weights = run(**options)
    if int(os.environ.get('RANK', 0)) == 0:
        torch.save(weights, os.path.join(options['work_dir'], 'weights.pt'))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
