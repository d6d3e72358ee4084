"""A study's YAML file: the rows of one table, the seeds, and the metrics that count."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .entries import Entry, read_yaml

#: The checkout. The paths of configs in studies and metafiles, and the runs themselves, start here.
ROOT = Path(__file__).resolve().parents[3]
#: Where a metric comes from: the last validation, the test, `robustness`, or the last iterations of training.
SOURCES = ('val/', 'test/', 'robustness/', 'train/')


@dataclass(frozen=True)
class Metric:
    """A metric of the tables: its key in the CSV, how it is called and printed, and which way is better."""

    key: str
    label: str
    higher_is_better: bool = True
    digits: int = 1


@dataclass(frozen=True)
class Choose:
    """A setting of one row that is chosen among `values` before its runs."""

    key: str
    values: tuple


@dataclass(frozen=True)
class Choice:
    """How every row's setting is chosen: by `metric` after one run a value, of a `seed` that no result uses."""

    seed: int
    metric: str
    options: dict[str, Any]
    higher_is_better: bool = True


@dataclass(frozen=True)
class Row:
    """A row of the table: a config, changed by `options`."""

    name: str
    config: str
    options: dict[str, Any]
    choose: Choose | None = None


@dataclass(frozen=True)
class Study:
    """A study as its YAML file says it; `options` hold for every row.

    `baseline` is the row that the others are compared with, `flops_shape` the input (C, H, W) whose multiply-adds are
    counted, `robustness_images` how many test images, spread evenly, are corrupted and shifted; each may be None.
    """

    path: Path
    name: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]
    data: str
    options: dict[str, Any]
    baseline: str | None
    flops_shape: tuple[int, ...] | None
    choice: Choice | None
    robustness_images: int | None

    @property
    def raw_values(self) -> Path:
        """The CSV of what the runs measured."""
        return self.path.with_name('results.csv')

    @property
    def choices(self) -> Path:
        """The CSV of the runs that choose a setting."""
        return self.path.with_name('choices.csv')

    @property
    def curves(self) -> Path:
        """The CSV of training losses and validations by iteration."""
        return self.path.with_name('curves.csv')


def is_metafile(path: Path) -> bool:
    """Is it a metafile, and not a study?"""
    return lists_models(read_yaml(path))


def lists_models(content: Any) -> bool:
    """Is this what a metafile holds?"""
    return isinstance(content, dict) and 'Models' in content


def read_study(path: Path) -> Study:
    """Reads a study.

    All that it may say; what has a comment may be left out::

        name: Upsamplers on Shapes
        data: Shapes, version shapes-2  # a note
        seeds: [0, 1, 2]
        baseline: bilinear  # the row that the others are compared with
        flops_shape: [3, 128, 128]  # input whose multiply-adds are counted
        robustness_images: 1000  # for robustness/: so many of the test, spread evenly, not all
        options: {train_cfg.max_iters: 1000}  # over every config; a row's own go over these
        rows:
        - {name: bilinear, config: configs/shapes/segformer_r18-slim_bilinear_1xb8-1500i_shapes-128x128.py}
        - name: freqfusion
          config: configs/shapes/segformer_r18-slim_freqfusion_1xb8-1500i_shapes-128x128.py
          options: {model.decode_head.upsample_cfg.compressed_channels: 8}  # over this config
          choose: {key: optim_wrapper.paramwise_cfg.custom_keys.fusions.lr_mult, values: [1, 0.1]}  # tried before
        choice:  # how `choose` is decided, once for each row
          seed: 100
          metric: val/mIoU
          higher_is_better: true  # false for a loss
          options: {train_cfg.max_iters: 500}  # over those of the row
        metrics:
        - {key: test/mIoU, label: mIoU, higher_is_better: true, digits: 1}  # the last two, which default to these

    Keys of metrics are columns of the CSV: `val/`, `test/` or `robustness/` and the metric's name, `train/loss`, or
    `train/upsampler/` and a number of `UpsamplerMonitor` after the last iteration.

    Raises:
        ValueError: names the file, the entry, what was wanted and what came.
    """
    content = read_yaml(path)
    if lists_models(content):
        raise ValueError(f'{path} is a metafile, and a study is wanted: a file as projects/bccd/study.yml')
    whole = Entry(str(path), content)
    known = ('name', 'seeds', 'rows', 'metrics', 'data', 'options', 'baseline', 'flops_shape', 'choice')
    whole.keys(*known, 'robustness_images')
    rows = tuple(_row(entry) for entry in whole.entries('rows'))
    names = [row.name for row in rows]
    whole.distinct('rows', names)
    baseline = whole.get('baseline', str, None)
    if baseline not in (None, *names):
        raise ValueError(f'{path}: baseline wants the name of a row ({", ".join(names)}), got {baseline!r}')
    choice = _choice(Entry(f'{path}: choice', content['choice'])) if 'choice' in content else None
    unchosen = [row.name for row in rows if row.choose and not choice]
    if unchosen:
        raise ValueError(
            f'{path}: row {unchosen[0]} has `choose`, so the study wants a `choice` that says how, got none'
        )
    seeds = whole.numbers('seeds')
    if choice and choice.seed in seeds:
        raise ValueError(f'{path}: choice.seed wants a seed that no result uses, got {choice.seed} of {list(seeds)}')
    metrics = tuple(_metric(entry) for entry in whole.entries('metrics'))
    whole.distinct('metrics', [metric.label for metric in metrics])
    shape = whole.numbers('flops_shape') if 'flops_shape' in content else None
    if shape and (len(shape) != 3 or min(shape) < 1):
        raise ValueError(f'{path}: flops_shape wants [channels, height, width], got {list(shape)}')
    images = whole.get('robustness_images', int, None)
    if images is not None and images < 1:
        raise ValueError(f'{path}: robustness_images wants a positive number, got {images}')
    return Study(
        path=path,
        name=whole.get('name', str),
        seeds=seeds,
        rows=rows,
        metrics=metrics,
        data=whole.get('data', str, ''),
        options=whole.options(),
        baseline=baseline,
        flops_shape=shape,
        choice=choice,
        robustness_images=images,
    )


def _row(entry: Entry) -> Row:
    entry.keys('name', 'config', 'options', 'choose')
    row = Row(entry.get('name', str), entry.get('config', str), entry.options(), _choose(entry))
    if not row.name or set(row.name) & set('/|'):
        raise ValueError(f'{entry.where}: name wants text without / and |, got {row.name!r}')
    if not (ROOT / row.config).is_file():
        raise ValueError(
            f'{entry.where}: config wants a file, seen from {ROOT}, got {row.config}, which does not exist'
        )
    return row


def _choose(row: Entry) -> Choose | None:
    if 'choose' not in row.content:
        return None
    entry = Entry(f'{row.where}: choose', row.content['choose'])
    entry.keys('key', 'values')
    values = entry.get('values', list)
    if len(values) < 2:
        raise ValueError(f'{entry.where}: values wants at least two to choose from, got {values}')
    entry.distinct('values', values)
    for value in values:
        entry.no_text_number('values', value)
    return Choose(entry.get('key', str), tuple(values))


def _choice(entry: Entry) -> Choice:
    entry.keys('seed', 'metric', 'options', 'higher_is_better')
    metric = entry.get('metric', str)
    if not metric.startswith(('val/', 'train/')):
        raise ValueError(f'{entry.where}: metric wants one of val/ or train/, never of the test, got {metric}')
    return Choice(entry.get('seed', int), metric, entry.options(), entry.get('higher_is_better', bool, True))


def _metric(entry: Entry) -> Metric:
    entry.keys('key', 'label', 'higher_is_better', 'digits')
    key = entry.get('key', str)
    if not key.startswith(SOURCES):
        raise ValueError(f'{entry.where}: key wants to begin with {", ".join(SOURCES)}, got {key}')
    return Metric(key, entry.get('label', str), entry.get('higher_is_better', bool, True), entry.get('digits', int, 1))
