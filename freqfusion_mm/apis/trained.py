"""A trained model beside the data set, the pipeline and the metrics of its config, all of them built."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator

from .channels import channels_taken, swaps_channels
from .checked_pipeline import check_reading
from .classes import check_class_order, ignore_label
from .config import load_config, scope_of
from .data import build_dataset, check_data, innermost, spread
from .errors import UnreadableImage
from .model import init_model
from .pictures import DataSetReader
from .pixels import ImagePipeline, steps_of, swapped


def check_same_images(titles: Sequence[str], models: Sequence['Trained']) -> None:
    """Refuses to compare models on different images.

    Convention:
        Images are the same whose files have one name, whatever their folders are called, at the same place of both data
        sets. Where a data set keeps the pixels itself, their number counts alone.

    Raises:
        ValueError: names the first two models that differ, and where.
    """
    first = models[0]
    for title, model in zip(titles[1:], models[1:]):
        wanted, found = ([os.path.basename(path) for path in each.reader.paths] for each in (first, model))
        place = next((i for i, pair in enumerate(zip(wanted, found)) if len(set(pair)) > 1), None)
        if place is not None:
            which = f'number {place} is {wanted[place]}, {found[place]}'
        elif len(first.dataset) != len(model.dataset):
            which = f'{len(first.dataset)} and {len(model.dataset)}'
        else:
            continue
        raise ValueError(
            f'models are compared on the same images, and those of {titles[0]} and {title} differ ({which}): give both '
            'configs one data set'
        )


class _OnSwapped:
    """A step that wants BGR, for RGB pixels."""

    def __init__(self, step: Any) -> None:
        self.step = step

    def __call__(self, results: dict) -> dict:
        results = self.step({**results, 'img': swapped(results['img'])})
        return {**results, 'img': swapped(results['img'])}


class Trained:
    """What the comparing commands ask, whatever the config looks like: wrapped or concatenated data sets, lazy configs.

    Args:
        config: a file, the name of one of ours, or a config.
        checkpoint: of its model.
        split: 'test' or 'val': whose data set and metrics.
        device: by default the GPU where there is one.
        cfg_options: settings to override.

    Attributes:
        failures: what could not be read, a line each.

    Raises:
        CheckpointError: the checkpoint is of another model, or has the data set's classes in another order.
        FileNotFoundError: the data is not there.
        ValueError: the config has no such data set.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        split: str = 'test',
        device: str | torch.device | None = None,
        cfg_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.cfg = load_config(config, cfg_options)
        check_data(self.cfg, f'{split}_dataloader')
        self.split = split
        self.model = init_model(self.cfg, checkpoint, device)
        self.dataset = build_dataset(self.cfg, f'{split}_dataloader')
        check_class_order(getattr(self.model, 'dataset_meta', {}).get('classes'), self.dataset, str(checkpoint))
        check_reading(self.dataset, channels_taken(self.model))
        self.batch_size = self.cfg[f'{split}_dataloader'].get('batch_size', 1)
        self.failures: list[str] = []
        self.kept_rgb = not swaps_channels(self.model.data_preprocessor)
        self._reader: DataSetReader | None = None
        self._places: list[tuple[Any, list, int]] = []

    def scope(self) -> AbstractContextManager:
        """The scope of its config; to be entered around whatever may look names up."""
        return scope_of(self.cfg)

    def evaluator(self) -> Evaluator:
        """The metrics of the split, built anew, one or several."""
        with self.scope():
            evaluator = Evaluator(self.cfg[f'{self.split}_evaluator'])
        evaluator.dataset_meta = self.dataset.metainfo
        return evaluator

    def ignore_label(self) -> int:
        """The label that the metrics leave out, or the data set where the config has no metric."""
        metrics = self.evaluator().metrics if self.cfg.get(f'{self.split}_evaluator') else []
        return ignore_label(metrics, self.dataset, self.model)

    @property
    def reader(self) -> DataSetReader:
        """Of the pixels and annotations of its data set."""
        self._reader = self._reader or DataSetReader(self.dataset, self.kept_rgb)
        return self._reader

    def pixels(self, number: int) -> np.ndarray:
        """Of a sample, as its pipeline reads them: BGR where there are three channels."""
        return self.reader(self.dataset.get_data_info(number))

    def spread(self, images: int | None) -> list[int]:
        """The numbers of so many samples, evenly spread, or of all."""
        count = len(self.dataset)
        return spread(count, min(count, images or count))

    def batches(self, numbers: Iterable[int], size: int | None = None) -> Iterator[tuple[list[int], dict]]:
        """Batches of these samples with their numbers, without what cannot be read."""
        good: list[tuple[int, Any]] = []
        for number in numbers:
            try:
                good.append((number, self.dataset[number]))
            except UnreadableImage as error:
                self.failures.append(str(error))
            if len(good) == (size or self.batch_size):
                yield [number for number, _ in good], pseudo_collate([sample for _, sample in good])
                good = []
        if good:
            yield [number for number, _ in good], pseudo_collate([sample for _, sample in good])

    def predict(self, batch: dict) -> list:
        """What the model makes of a batch, through its own `test_step`."""
        with self.scope(), torch.no_grad():
            return self.model.test_step(batch)

    def evaluate(self, evaluator: Evaluator, numbers: Iterable[int]) -> dict[str, float]:
        """What an evaluator says of the model's predictions for these samples.

        Raises:
            UnreadableImage: not one of them could be read.
        """
        seen = 0
        for read, batch in self.batches(numbers):
            samples = self.predict(batch)
            with self.scope():
                evaluator.process(data_samples=samples, data_batch=batch)
            seen += len(read)
        if not seen:
            raise UnreadableImage(f'no image of the {self.split} set could be read')
        return evaluator.evaluate(seen)

    def put_after_reading(self, step: Any | None) -> None:
        """Puts a step behind the one that reads the image, in every pipeline of the data set; None takes it away.

        Convention:
            The step is given BGR, where a data set keeps RGB pixels itself, too.

        Raises:
            ValueError: a pipeline has no step that reads an image.
        """
        for leaf, steps, place in self._reading():
            kept = step is not None and self.kept_rgb and 'img' in leaf.get_data_info(0)
            steps_between = [_OnSwapped(step)] if kept else [step] if step else []
            leaf.pipeline.transforms = [*steps[:place], *steps_between, *steps[place:]]

    def _reading(self) -> list[tuple[Any, list, int]]:
        if not self._places:
            for leaf in innermost(self.dataset):
                steps = steps_of(leaf)
                rest = self._rest_after_reading(leaf)
                self._places.append((leaf, steps, steps.index(rest[0]) if rest else len(steps)))
        return self._places

    @staticmethod
    def _rest_after_reading(leaf: Any) -> list:
        error: Exception | None = None
        for index in range(len(leaf)):
            try:
                return ImagePipeline(steps_of(leaf)).read_info(dict(leaf.get_data_info(index)))[1]
            except UnreadableImage as unreadable:
                error = unreadable
        raise error or ValueError('the data set is empty')
