#!/usr/bin/env python
"""Evaluates classifiers or segmentors on corrupted and on shifted images.

python tools/robustness.py --model CONFIG CHECKPOINT [--model CONFIG CHECKPOINT ...] [--out FOLDER]

Data set, test pipeline and metric are those of each config (mmseg or mmpretrain); the change of the image is put
behind the pipeline's step that loads it, in pixels of the file. Corruptions are ImageNet-C's, by default the 15 at
severities 1, 3 and 5; their strengths were made for photographs of 224 pixels and are harsher on smaller images. A
shift moves the image diagonally, by 1 to 8 pixels along each axis, continued by reflection; the consistency is the
share of predictions that stay equal: of images, or of the pixels that both views show. The corrupted images are
computed once for all models. Written are robustness.csv (every number), robustness.md (tables), summary.json,
robustness.png (a plot) and corruptions.png (what an image looks like). Shapes' 100 images take 60 to 80 seconds of one
core a model, of which the corruptions' 20 serve all models together.
"""

import csv
import json
import warnings
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS, DefaultScope, init_default_scope

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
from freqfusion_mm.apis.launch import check_data, load_config, plain_errors
from freqfusion_mm.evaluation.analysis.image_changes import Corruption, Shift, corruption_names

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (after the backend is chosen)

#: Name of a metric -> its key in what a framework's evaluator returns; both are percentages.
METRICS = {'mIoU': 'mIoU', 'top-1': 'accuracy/top1'}
SHIFTS = tuple(range(1, 9))
Step = Callable[[dict], dict]


def parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', nargs=2, action='append', required=True, metavar=('CONFIG', 'CHECKPOINT'))
    parser.add_argument('--title', action='append', default=[], help='of each --model; default: the config name')
    parser.add_argument(
        '--corruptions',
        nargs='*',
        default=['common'],
        help='names, or groups of them: common (the 15 of ImageNet-C, the default), noise, blur, '
        'weather, digital, validation, all',
    )
    parser.add_argument(
        '--severities',
        nargs='+',
        type=int,
        default=[1, 3, 5],
        choices=range(1, 6),
        metavar='1..5',
        help='default: 1 3 5',
    )
    parser.add_argument('--shifts', nargs='*', type=int, default=SHIFTS, metavar='PIXELS', help='default: 1 to 8')
    parser.add_argument('--images', type=int, help='the first so many images of the test set; default: all')
    parser.add_argument('--out', default='work_dirs/robustness', help='folder to write')
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')
    return parser


class Model:
    """A trained model with the test set and the metric of its config."""

    def __init__(self, title: str, config: str, checkpoint: str, images: int | None) -> None:
        self.title = title
        self.cfg: Config = load_config(
            Namespace(config=config, launcher='none', local_rank=0, cfg_options=None, work_dir=None)
        )
        check_data(self.cfg, 'test_dataloader')
        self._enter_scope()
        self.dataset = DATASETS.build(self.cfg.test_dataloader.dataset)
        self.numbers = range(min(len(self.dataset), images or len(self.dataset)))
        steps = self.dataset.pipeline.transforms
        loading = [i for i, step in enumerate(steps) if type(step).__name__.startswith('LoadImage')]
        if not loading:
            raise ValueError(
                f'{config}: the test pipeline must load an image (LoadImageFromFile), its steps are '
                f'{", ".join(type(step).__name__ for step in steps)}'
            )
        self._before, self._after = steps[: loading[0] + 1], steps[loading[0] + 1 :]
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self.model = MODELS.build(self.cfg.model).eval()
        load_strictly(self.model, read_checkpoint(checkpoint), checkpoint)
        self.model.to(self.device)

    def _enter_scope(self) -> None:
        DefaultScope._instance_dict.clear()
        init_default_scope(self.cfg.get('default_scope', 'mmengine'))

    def _batches(self) -> Iterator[list[int]]:
        size = self.cfg.test_dataloader.get('batch_size', 1)
        return (list(self.numbers[start : start + size]) for start in range(0, len(self.numbers), size))

    def _predict(self, numbers: list[int], step: Step | None) -> tuple[dict, list]:
        """The images of these numbers, changed by `step`: the batch, and what the model makes of it."""
        self.dataset.pipeline.transforms = [*self._before, *([step] if step else []), *self._after]
        batch = pseudo_collate([self.dataset[number] for number in numbers])
        with torch.no_grad():
            return batch, self.model.test_step(batch)

    def score(self, step: Step | None = None) -> tuple[str, float]:
        """The metric over the test set, by its name, in percent."""
        self._enter_scope()
        evaluator = Evaluator(self.cfg.test_evaluator)
        evaluator.dataset_meta = self.dataset.metainfo
        for numbers in self._batches():
            batch, samples = self._predict(numbers, step)
            evaluator.process(data_samples=samples, data_batch=batch)
        values = evaluator.evaluate(len(self.numbers))
        for metric, key in METRICS.items():
            if key in values:
                return metric, float(values[key])
        raise ValueError(
            f'{self.title}: the test_evaluator must give {" or ".join(METRICS.values())}, it gives {", ".join(values)}'
        )

    def consistency(self, distances: list[int]) -> dict[int, float]:
        """Distance -> share of predictions, in percent, that a diagonal shift leaves as they are."""
        self._enter_scope()
        found = defaultdict(list)
        for numbers in self._batches():
            still = list(map(labels, self._predict(numbers, None)[1]))
            for distance in distances:
                shift = Shift(distance, distance)
                moved = map(labels, self._predict(numbers, shift)[1])
                found[distance] += [100 * shift.agreement(*pair) for pair in zip(still, moved)]
        return {distance: mean(values) for distance, values in found.items()}


def labels(sample: Any) -> np.ndarray:
    """What a model predicts: a label map [H, W], or the label [1] of the image."""
    for key in ('pred_sem_seg', 'pred_label'):
        if key in sample:
            value = sample.get(key)
            return value.data[0].cpu().numpy() if key == 'pred_sem_seg' else value.cpu().numpy()
    raise ValueError(
        'shifts are measured for classifiers and segmentors: the model must predict pred_label or '
        f'pred_sem_seg, it predicts {", ".join(sample.keys())}'
    )


class Results:
    """Every number: (model, kind of change, its name, its strength) -> percent. Clean is the kind '' of no strength."""

    def __init__(self, titles: list[str], metric: str) -> None:
        self.titles = titles
        self.metric = metric
        self.values: dict[tuple[str, str, str, int], float] = {}

    def mean(self, title: str, kind: str, name: str | None = None, strength: int | None = None) -> float | None:
        """Over all numbers of a model and a kind, or of one change, or of one strength; None where there are none."""
        found = [
            value
            for key, value in self.values.items()
            if key[:2] == (title, kind) and name in (None, key[2]) and strength in (None, key[3])
        ]
        return mean(found) if found else None

    def summary(self) -> dict[str, dict[str, float]]:
        """Title -> the three numbers that stand for a model, by the names that a metafile gives them."""
        rows = {}
        for title in self.titles:
            row = {
                self.metric: self.mean(title, 'clean'),
                f'corrupted {self.metric}': self.mean(title, 'corruption'),
                'shift consistency': self.mean(title, 'shift'),
            }
            rows[title] = {name: round(value, 2) for name, value in row.items() if value is not None}
        return rows

    def names(self, kind: str) -> list:
        """What a table of this kind has rows for: the corruptions, or the distances."""
        return list(dict.fromkeys(key[2] if kind == 'corruption' else key[3] for key in self.values if key[1] == kind))

    def column(self, title: str, kind: str) -> list[float]:
        """One value for each of `names(kind)`."""
        return [
            self.mean(title, kind, name=name) if kind == 'corruption' else self.mean(title, kind, strength=name)
            for name in self.names(kind)
        ]


def markdown(results: Results, severities: list[int]) -> str:
    """All tables, numbers in percent."""
    summary = results.summary()
    heads = list(next(iter(summary.values())))
    parts = [_table(['model', *heads], [[title, *row.values()] for title, row in summary.items()])]
    of = f'{results.metric} by corruption, mean of the severities {", ".join(map(str, severities))}'
    for kind, caption, head in (
        ('corruption', of, 'corruption'),
        ('shift', 'Predictions that a shift leaves as they are', 'pixels'),
    ):
        names = results.names(kind)
        if names:
            columns = [results.column(title, kind) for title in results.titles]
            parts.append(f'**{caption}**\n\n' + _table([head, *results.titles], list(zip(names, *columns))))
    return '\n'.join(parts)


def _table(head: list[str], rows: list) -> str:
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for name, *values in rows:
        lines.append('| ' + ' | '.join([str(name), *(f'{value:.2f}' for value in values)]) + ' |')
    return '\n'.join(lines) + '\n'


def plot(results: Results, out: Path) -> None:
    """By corruption, and by distance: a mark or a line a model."""
    kinds = [kind for kind in ('corruption', 'shift') if results.names(kind)]
    ratios = [3 if kind == 'corruption' else 2 for kind in kinds]
    figure, axes = pyplot.subplots(
        1, len(kinds), figsize=(3 * sum(ratios), 4.8), squeeze=False, width_ratios=ratios, layout='constrained'
    )
    for axis, kind in zip(axes[0], kinds):
        names = results.names(kind)
        for number, title in enumerate(results.titles):
            colour, values = f'C{number}', results.column(title, kind)
            if kind == 'shift':
                axis.plot(names, values, 'o-', color=colour, label=title)
                continue
            offset = 0.16 * (number - (len(results.titles) - 1) / 2)
            axis.plot(np.arange(len(names)) + offset, values, 'o', color=colour, label=title)
            axis.axhline(results.mean(title, 'clean'), color=colour, linewidth=1, linestyle=':')
        axis.grid(axis='y', alpha=0.3)
        if kind == 'corruption':
            axis.set_xticks(range(len(names)), [name.replace('_', ' ') for name in names], rotation=60, ha='right')
            axis.set_ylabel(f'{results.metric} (%)')
            axis.set_title('corrupted; dotted: clean', fontsize=10)
        else:
            axis.set_xlabel('shift (pixels)')
            axis.set_ylabel('equal predictions (%)')
            axis.set_title('shifted', fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=8, loc='outside lower center')
    figure.savefig(out, dpi=120)
    pyplot.close(figure)


def draw_corruptions(image: np.ndarray, names: list[str], severity: int, out: Path) -> None:
    """One image (BGR), and each corruption of it."""
    pictures = {'clean': image, **{name: Corruption(name, severity).corrupt(image) for name in names}}
    columns = min(8, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(1.6 * columns, 1.85 * rows), squeeze=False, layout='constrained'
    )
    for axis in axes.flat:
        axis.axis('off')
    for axis, (name, picture) in zip(axes.flat, pictures.items()):
        axis.imshow(picture[..., ::-1].astype(np.uint8), interpolation='nearest')
        axis.set_title(name.replace('_', ' '), fontsize=8)
    figure.savefig(out, dpi=120)
    pyplot.close(figure)


def measure(models: list[Model], names: list[str], severities: list[int], distances: list[int]) -> Results:
    """Everything; the corruption is the outer loop, so that one computation serves all models and is then let go."""
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
        print(f'{name}: {results.metric} {shown}')
    for model in models:
        for distance, value in model.consistency(distances).items():
            results.values[model.title, 'shift', 'diagonal', distance] = value
    return results


def write(results: Results, severities: list[int], out: Path) -> None:
    with open(out / 'robustness.csv', 'w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['model', 'measured', 'kind', 'name', 'strength', 'percent'])
        for (title, kind, name, strength), value in results.values.items():
            measured = 'consistency' if kind == 'shift' else results.metric
            table.writerow([title, measured, kind, name, strength or '', f'{value:.4f}'])
    (out / 'summary.json').write_text(json.dumps(results.summary(), indent=1) + '\n')
    (out / 'robustness.md').write_text(markdown(results, severities))


def main() -> None:
    args = parser().parse_args()
    MMLogger.get_current_instance().setLevel('WARNING')  # mmseg prints a table at every evaluation
    warnings.filterwarnings('ignore', 'When align_corners=True')  # mmseg says so of every network that does
    with plain_errors(args.traceback, while_building=True):
        names = corruption_names(args.corruptions) if args.corruptions else []
        if any(distance < 1 for distance in args.shifts) or args.images is not None and args.images < 1:
            raise ValueError(f'--shifts and --images want positive numbers, got {list(args.shifts)} and {args.images}')
        titles = args.title + [Path(config).stem for config, _ in args.model[len(args.title) :]]
        if len(set(titles)) < len(titles):
            raise ValueError(f'each model needs a name of its own, got {", ".join(titles)}: give each a --title')
        models = [Model(title, *pair, args.images) for title, pair in zip(titles, args.model)]
        out = Path(args.out)
        out.mkdir(parents=True, exist_ok=True)
        results = measure(models, names, args.severities, args.shifts)
    write(results, args.severities, out)
    if names or args.shifts:
        plot(results, out / 'robustness.png')
    if names:
        image = models[0]._before[0](dict(models[0].dataset.get_data_info(0)))['img']
        draw_corruptions(image, names, sorted(args.severities)[len(args.severities) // 2], out / 'corruptions.png')
    print(f'\n{markdown(results, args.severities)}\nwritten: {out}')


if __name__ == '__main__':
    main()
