"""A small training, also as a process of its own that can be killed: what the tests of exact resuming run."""

import json
import os
import random
import signal
import sys

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.runner import Runner
from torch import nn

from freqfusion_mm.engine.hooks.exact_resume import ExactResume


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
        iterations=30, count=20, batch_size=4, keep=-1, batch_sampler=None, loop=None):  # fmt: skip
    epochs_loop = dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=1)
    iterations_loop = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=10, **(loop or {}))
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


if __name__ == '__main__':
    options = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    weights = run(**options)
    if int(os.environ.get('RANK', 0)) == 0:
        torch.save(weights, os.path.join(options['work_dir'], 'weights.pt'))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
