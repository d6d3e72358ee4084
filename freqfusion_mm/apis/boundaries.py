"""How right trained segmentors are along the borders of objects, over the data sets of their configs."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.evaluator import Evaluator

from ..evaluation.analysis.seed_statistics import Sample
from ..evaluation.metrics.boundary_f1 import BoundaryF1
from ..evaluation.metrics.boundary_iou import BoundaryIoU
from ..evaluation.metrics.trimap_iou import TrimapIoU
from .classes import dataset_meta
from .model import task_of
from .trained import Trained

#: Key of a measure -> its heading in tables.
LABELS = {'BoundaryIoU': 'Boundary IoU', 'BF': 'BF'}
TRIMAP = 'trimap/'
Runs = Mapping[str, Sequence[Mapping[str, float]]]  # title -> the measures of each of its models


def boundary_evaluator(trained: Trained, widths: Sequence[int]) -> Evaluator:
    """The three metrics of boundaries, for this model's classes and ignored label.

    Args:
        trained: a segmentor with its data set.
        widths: of `TrimapIoU`.

    Raises:
        ValueError: no segmentor; wrong widths.
    """
    if task_of(trained.model) != 'segmentation':
        raise ValueError(
            f'boundaries are measured for semantic segmentation, the model is a {type(trained.model).__name__}'
        )
    ignored = trained.ignore_label()
    metrics = [BoundaryIoU(ignore_index=ignored), BoundaryF1(ignore_index=ignored), TrimapIoU(widths, ignored)]
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = dict(classes=dataset_meta(trained.dataset)['classes'])
    return evaluator


def measure_boundaries(trained: Trained, evaluator: Evaluator, images: int | None = None) -> dict[str, float]:
    """Measures over so many images, spread evenly, or all.

    Returns:
        'BoundaryIoU', 'BF' and 'trimap/w' for each width w, in percent.

    Raises:
        UnreadableImage: no image could be read.
    """
    return trained.evaluate(evaluator, trained.spread(images))


def curves(runs: Runs) -> list[tuple[str, dict[int, float]]]:
    """What `visualization.trimap_curve` draws: one curve for each model."""
    return [
        (title, {int(key.removeprefix(TRIMAP)): value for key, value in run.items() if key.startswith(TRIMAP)})
        for title, found in runs.items()
        for run in found
    ]


def markdown(runs: Runs) -> str:
    """A row for each title: of several models how many they are, the mean, and half its 95 % t interval."""
    keys = list(next(iter(runs.values()))[0])
    head = ['model', *(LABELS.get(key) or f'mIoU within {key.removeprefix(TRIMAP)} px' for key in keys)]
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for title, found in runs.items():
        name = f'{title} ({len(found)})' if len(found) > 1 else title
        cells = [name, *(Sample(tuple(run[key] for run in found)).text(1) for key in keys)]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def write_csv(runs: Runs, out: Path) -> None:
    """One line for each model; its folder is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    keys = list(next(iter(runs.values()))[0])
    with open(out, 'w', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['model', *keys])
        for title, found in runs.items():
            table.writerows([title, *(f'{run[key]:.4f}' for key in keys)] for run in found)
