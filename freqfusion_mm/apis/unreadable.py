"""Unreadable images in a long run: each is named, the rest goes on, and the end says what failed."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from .data import innermost
from .pixels import ImagePipeline, UnreadableImage, check_image, steps_of

FILE = 'unreadable_images.txt'


class ReadableLoader:
    """A data loader of a test that leaves out what cannot be read.

    Args:
        loader: the loader whose place it takes.
    """

    def __init__(self, loader: DataLoader) -> None:
        options = {
            name: getattr(loader, name)
            for name in ('num_workers', 'pin_memory', 'timeout', 'worker_init_fn', 'persistent_workers')
        }
        if loader.num_workers:
            options['prefetch_factor'] = loader.prefetch_factor
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
        """The batches of what could be read.

        Raises:
            UnreadableImage: that was nothing.
        """
        self.failures, some = [], False
        for batch, failures in self._loader:
            for failure in failures:
                print_log(failure, logger='current', level=logging.WARNING)
            self.failures += failures
            if batch is not None:
                some = True
                yield batch
        if self.failures and not some:
            raise UnreadableImage(f'no image of the data set could be read; {summary(self.failures)}')


class WholeImage:
    """First step of a training pipeline: gives nothing for an unreadable image, so that mmengine takes another one.

    Args:
        report: a file that gets a line for each.
    """

    def __init__(self, report: str) -> None:
        self.report = report

    def __call__(self, results: dict) -> dict | None:
        try:
            _check_files(results)
        except UnreadableImage as error:
            with open(self.report, 'a') as file:
                file.write(f'{error}\n')
            return None
        return results


def skip_unreadable_in_training(runner: Runner) -> Path:
    """Puts `WholeImage` before the steps of the training set, and `ReadableLoader` before the validation.

    Returns:
        The file that will name the images; there is none while all can be read.
    """
    report = Path(runner.work_dir) / FILE
    report.unlink(missing_ok=True)
    for leaf in innermost(runner.train_dataloader.dataset):
        steps = getattr(getattr(leaf, 'pipeline', None), 'transforms', None)
        if steps and not isinstance(steps[0], WholeImage):
            steps.insert(0, WholeImage(os.path.abspath(report)))
    if runner.val_loop is not None:
        runner.val_loop.dataloader = ReadableLoader(runner.val_loop.dataloader)
    return report


def summary(failures: list[str]) -> str:
    """One line that names them all, each once."""
    failures = list(dict.fromkeys(failures))
    return f'{len(failures)} image{"s" * (len(failures) != 1)} left out: {"; ".join(failures)}'


def read_sample(dataset: Any, index: int) -> Any:
    """A sample of a data set.

    Raises:
        UnreadableImage: its image or label map cannot be read. Any other error stays what it is.
    """
    info = dataset.get_data_info(index) if hasattr(dataset, 'get_data_info') else {}
    _check_files(info)
    try:
        return dataset[index]
    except UnreadableImage:
        raise
    except Exception:
        for leaf in innermost(dataset)[:1] if info else []:
            ImagePipeline(steps_of(leaf)).read_info(dict(info))  # says so, if it was the reading
        raise


class _Samples:
    """A data set that gives, for what it cannot read, the reason instead of a sample."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            return read_sample(self.dataset, index)
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


def _check_files(info: dict) -> None:
    """Image and label map; that a label map is not there is for the step that wants it."""
    for key in ('img_path', 'seg_map_path'):
        path = info.get(key)
        if isinstance(path, str) and (key == 'img_path' or os.path.isfile(path)):
            check_image(path)
