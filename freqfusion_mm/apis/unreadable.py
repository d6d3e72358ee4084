"""Unreadable images in a long run: each is named, the rest goes on, and the end says what failed."""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from mmengine.dataset import DefaultSampler
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from .channels import channels_taken
from .checked_pipeline import CheckedPipeline, check_reading
from .classes import check_countable, learned_labels
from .config import type_name
from .data import innermost
from .errors import UnreadableImage

FILE = 'unreadable_images.txt'
#: Of a loader's options, those that the loader in its place takes over as they are.
_KEPT = (
    'num_workers',
    'pin_memory',
    'pin_memory_device',
    'timeout',
    'worker_init_fn',
    'multiprocessing_context',
    'generator',
    'persistent_workers',
)


class ReadableLoader:
    """A data loader of a test that leaves out what cannot be read.

    Args:
        loader: the loader whose place it takes; its data set is checked from now on.
        channels: of `channels_taken`.
        together: of `steps_together`. Where not, a distributed test repeats no image so that all processes have equally
            many: mmengine takes the repeated ones for the last results, which they are not where others were left out.
    """

    def __init__(self, loader: DataLoader, channels: Collection[int] | None = None, together: bool = False) -> None:
        check_reading(loader.dataset, channels)
        options = {name: getattr(loader, name) for name in _KEPT}
        if loader.num_workers:
            options['prefetch_factor'] = loader.prefetch_factor
        sampler = loader.sampler
        if isinstance(sampler, DefaultSampler) and sampler.round_up and not together:
            sampler.round_up, sampler.total_size = False, len(loader.dataset)
            sampler.num_samples = len(range(sampler.rank, sampler.total_size, sampler.world_size))
        self.dataset = loader.dataset
        self.batch_sampler = loader.batch_sampler
        self.sampler = loader.sampler
        self.batch_size = loader.batch_size
        self.failures: list[str] = []
        self._loader = DataLoader(
            _Samples(loader.dataset),
            batch_sampler=loader.batch_sampler,
            collate_fn=_Collate(loader.collate_fn),
            **options,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """The batches of what could be read; after the last one, `failures` are those of all processes.

        Raises:
            UnreadableImage: that was nothing, in any process.
        """
        self.failures, some = [], False
        for batch, failures in self._loader:
            for failure in failures:
                print_log(failure, logger='current', level=logging.WARNING)
            self.failures += failures
            if batch is not None:
                some = True
                yield batch
        shares = all_gather_object((self.failures, some))
        self.failures = [failure for failures, _ in shares for failure in failures]
        if self.failures and not any(some for _, some in shares):
            raise UnreadableImage(f'no image of the data set could be read; {summary(self.failures)}')


def steps_together(runner: Runner) -> bool:
    """Whether all processes must run the model equally often: each holds a part of its weights (FSDP). The config says
    so where the model is not built yet.
    """
    strategy = type_name((runner.cfg.get('strategy') or {}).get('type'))
    model = (kind.__name__ for kind in type(runner.model).__mro__)
    return any('FSDP' in name or 'FullyShardedDataParallel' in name for name in (strategy, *model))


def skip_unreadable_in_training(runner: Runner) -> Path:
    """Lets a training take another sample for one that cannot be read, and a validation leave it out.

    A label that the model cannot learn ends the training (`WrongLabels`).

    Returns:
        The file that will name them; there is none while all can be read.

    Raises:
        ValueError: of `check_countable`, for the validation.
    """
    report = Path(runner.work_dir).absolute() / FILE
    if is_main_process() and not runner._resume:  # one that is resumed still knows what it left out before
        report.unlink(missing_ok=True)
    model = runner.model if isinstance(runner.model, nn.Module) else None  # a FlexibleRunner builds it in train()
    channels, labels = (None, None) if model is None else (channels_taken(model), learned_labels(model))
    check_reading(runner.train_dataloader.dataset, channels, report, labels)
    runner.register_hook(_StillChecked(channels, report, labels))
    _start_anew(runner)
    if runner.val_loop is not None:
        loop = runner.val_loop
        metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())
        if model is not None:
            check_countable(model, loop.dataloader.dataset, metrics)
        loop.dataloader = ReadableLoader(loop.dataloader, channels, steps_together(runner))
    return report


class _StillChecked(Hook):
    """Checks the pipeline that another hook puts in place in the middle of a training: mmdet's `PipelineSwitchHook`,
    mmpretrain's `SwitchRecipeHook`.
    """

    priority = 'LOWEST'  # after those, before the loader starts its workers

    def __init__(self, *checks: Any) -> None:
        self.checks = checks

    def before_train_epoch(self, runner: Runner) -> None:
        dataset = runner.train_loop.dataloader.dataset
        if not all(isinstance(getattr(leaf, 'pipeline', None), CheckedPipeline) for leaf in innermost(dataset)):
            check_reading(dataset, *self.checks)


def _start_anew(runner: Runner) -> None:
    """Has a loop by iterations forget the workers that it may have started: mmengine 0.10.7 does with the loop."""
    loop = runner.train_loop
    if hasattr(loop, 'dataloader_iterator'):
        loop.dataloader._iterator = None  # those that persist
        loop.dataloader_iterator = type(loop.dataloader_iterator)(loop.dataloader)


def left_out_of_training(runner: Runner, report: Path) -> list[str]:
    """What the training and its last validation could not read; `report` is what `skip_unreadable_in_training` gave."""
    failures = report.read_text(encoding='utf-8').splitlines() if report.exists() else []
    return failures + getattr(getattr(runner.val_loop, 'dataloader', None), 'failures', [])


def summary(failures: list[str]) -> str:
    """One line that names them all, each once."""
    failures = list(dict.fromkeys(failures))
    return f'{len(failures)} image{"s" * (len(failures) != 1)} left out: {"; ".join(failures)}'


class _Samples:
    """A data set that gives, for what it cannot read, the reason instead of a sample."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except UnreadableImage as error:
            return _Failure(str(error))


class _Failure(str):
    """Why there is no sample."""


class _Collate:
    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, samples: list) -> tuple[Any, list[str]]:
        good = [sample for sample in samples if not isinstance(sample, _Failure)]
        return (self.collate(good) if good else None), [str(s) for s in samples if isinstance(s, _Failure)]
