"""Trained models on corrupted and on shifted images of the test set of their configs."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np
import torch

from ..evaluation.analysis.image_changes import SMALLEST, Corruption, Shift
from ..evaluation.analysis.robustness_report import Results
from .errors import UnreadableImage
from .model import task_of
from .outputs import image_name
from .pixels import displayed
from .trained import Trained
from .unreadable import summary

#: Name of a metric -> its key in what a framework's evaluator returns, maybe behind a prefix; both are percentages.
METRICS = {'mIoU': 'mIoU', 'top-1': 'accuracy/top1'}
Step = Callable[[dict], dict]


class Candidate:
    """A trained classifier or segmentor whose test pipeline takes a further step.

    Args:
        title: its name in tables.
        config, checkpoint, device, cfg_options: of `Trained`.
        images: so many of the test set, spread evenly; None: all.

    Raises:
        ValueError: a detector or a depth estimator.
    """

    def __init__(
        self,
        title: str,
        config: str,
        checkpoint: str,
        images: int | None = None,
        device: str | torch.device | None = None,
        cfg_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.title = title
        self.trained = Trained(config, checkpoint, device=device, cfg_options=cfg_options)
        try:
            task = task_of(self.trained.model)
        except ValueError:
            task = ''  # a model of one's own: its metrics say whether it can be measured
        if task in ('detection', 'depth'):  # before a whole test, not after it
            raise ValueError(f'robustness is measured for segmentation and classification, {title} is for {task}')
        self.numbers = self.trained.spread(images)

    def score(self, step: Step | None = None) -> tuple[str, float]:
        """The metric over the test set, by its name, in percent.

        Raises:
            ValueError: the evaluator gives none of `METRICS`.
        """
        self.trained.put_after_reading(step)
        values = self.trained.evaluate(self.trained.evaluator(), self.numbers)
        for metric, key in METRICS.items():
            found = [name for name in values if name == key or name.endswith(f'/{key.rpartition("/")[2]}')]
            if found:
                return metric, float(values[key if key in found else found[0]])
        raise ValueError(
            f'{self.title}: the test_evaluator must give {" or ".join(METRICS.values())}, it gives {", ".join(values)}'
        )

    def consistency(self, distances: Sequence[int]) -> dict[int, float]:
        """Distance -> share of predictions, in percent, that a diagonal shift leaves as they are."""
        still = {number: label for number, label in self._labels(None)} if distances else {}
        found = defaultdict(list)
        for distance in distances:
            shift = Shift(distance, distance)
            for number, moved in self._labels(shift):
                found[distance].append(100 * shift.agreement(still[number], moved))
        return {distance: mean(values) for distance, values in found.items()}

    def leave_out_small(self, smallest: int) -> None:
        """Leaves out, by name, the images with a side of fewer pixels, and those that cannot be read.

        Raises:
            ValueError: there is no other image.
        """
        kept = []
        for number in self.numbers:
            try:
                height, width = self.trained.pixels(number).shape[:2]
                if min(height, width) < smallest:
                    name = image_name(self.trained.dataset.get_data_info(number))
                    raise UnreadableImage(
                        f'{name} cannot be used: it has {height}x{width} pixels, these corruptions and shifts want '
                        f'at least {smallest}x{smallest}'
                    )
                kept.append(number)
            except UnreadableImage as error:
                self.trained.failures.append(str(error))
        if not kept:
            raise ValueError(f'{self.title}: no image can be used; {summary(self.trained.failures)}')
        self.numbers = kept

    def examples(self, names: Sequence[str], severity: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The first image that is measured, as the pipeline reads it, and its corruptions by name; RGB bytes."""
        image = self.trained.pixels(self.numbers[0])
        return displayed(image), {name: displayed(Corruption(name, severity).corrupt(image)) for name in names}

    def _labels(self, step: Step | None) -> Iterator[tuple[int, np.ndarray]]:
        self.trained.put_after_reading(step)
        for numbers, batch in self.trained.batches(self.numbers):
            yield from zip(numbers, map(labels, self.trained.predict(batch)))


def labels(sample: Any) -> np.ndarray:
    """What a model predicts: a label map [H, W] or the label [1] of the image, in as few bytes as any data set needs.

    Raises:
        ValueError: neither.
    """
    for key in ('pred_sem_seg', 'pred_label'):
        if key in sample:
            value = sample.get(key)
            return (value.data[0] if key == 'pred_sem_seg' else value).cpu().numpy().astype(np.uint16)
    raise ValueError(
        'shifts are measured for classifiers and segmentors: the model must predict pred_label or '
        f'pred_sem_seg, it predicts {", ".join(sample.keys())}'
    )


def measure(
    models: Sequence[Candidate],
    names: Sequence[str],
    severities: Sequence[int],
    distances: Sequence[int],
    keep: Callable[[Results], None] = lambda results: None,
) -> Results:
    """Everything; the corruption is the outer loop, so that one computation serves all models and is then let go.

    Args:
        models: to be compared.
        names, severities: of corruptions.
        distances: of shifts.
        keep: is called with what there is after every corruption and every model's shifts: hours of work may be
            interrupted.

    Raises:
        ValueError: the models have different metrics; no image is large enough for the corruptions and shifts.
    """
    smallest = max([SMALLEST if names else 1, *(distance + 1 for distance in distances)])
    for model in models:
        model.leave_out_small(smallest)
    clean = {model.title: model.score() for model in models}
    metrics = {metric for metric, _ in clean.values()}
    if len(metrics) > 1:
        raise ValueError(f'all models must have one metric to be compared, got {", ".join(sorted(metrics))}')
    results = Results([model.title for model in models], metrics.pop())
    for title, (_, value) in clean.items():
        results.values[title, 'clean', '', 0] = value
    for name in names:
        for severity in severities:
            corruption = Corruption(name, severity)
            for model in models:
                results.values[model.title, 'corruption', name, severity] = model.score(corruption)[1]
        shown = ', '.join(f'{results.mean(title, "corruption", name):.2f}' for title in results.titles)
        print(f'{name}: {results.metric} {shown}', flush=True)
        keep(results)
    for model in models:
        for distance, value in model.consistency(distances).items():
            results.values[model.title, 'shift', 'diagonal', distance] = value
        keep(results)
    return results
