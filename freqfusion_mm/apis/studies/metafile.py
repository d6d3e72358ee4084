"""A metafile of `configs/`: its models as jobs, what was measured back into it, its costs, its tables."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from ...evaluation.analysis.seed_statistics import Sample
from ..shared_files import locked, rewritten
from .entries import read_yaml
from .study import ROOT, SOURCES, lists_models

#: Name in a metafile -> column of the raw values, what makes a percentage of a share, and decimals.
METRICS = {
    'mIoU': ('test/mIoU', 1, 2),
    'mAcc': ('test/mAcc', 1, 2),
    'box AP': ('test/coco/bbox_mAP', 100, 2),
    'mAP': ('test/pascal_voc/mAP', 100, 2),
    'mask AP': ('test/coco/segm_mAP', 100, 2),
    'PQ': ('test/panoptic/PQ', 1, 2),
    'SQ': ('test/panoptic/SQ', 1, 2),
    'RQ': ('test/panoptic/RQ', 1, 2),
    'top-1': ('test/accuracy/top1', 1, 2),
    'top-5': ('test/accuracy/top5', 1, 2),
    'corrupted mIoU': ('robustness/corrupted mIoU', 1, 2),
    'corrupted top-1': ('robustness/corrupted top-1', 1, 2),
    'd1': ('test/d1', 1, 4),
    'abs_rel': ('test/abs_rel', 1, 4),
    'rmse': ('test/rmse', 1, 4),
    'shift consistency': ('robustness/shift consistency', 1, 2),
}

#: What `results parameters` counts, as it is called in a model's metadata.
PARAMETERS, MULTIPLY_ADDS, SIZE = 'Parameters (M)', 'Multiply-adds (G)', 'Input Size'
#: Of the config whose runs stand there: those of another one are another experiment.
CONFIG_HASH = 'Config Hash'


def read_models(metafile: Path, only: Iterable[str] | None = None) -> list[dict]:
    """The models of a metafile, or those of them that are named.

    Raises:
        ValueError: the file is no metafile, or has no model of a name.
    """
    meta = read_yaml(metafile)
    if not lists_models(meta):
        raise ValueError(f'{metafile} wants an entry Models, as a metafile has; got {str(meta)[:60]!r}')
    names = [model['Name'] for model in meta['Models']]
    unknown = sorted(set(only or []) - set(names))
    if unknown:
        raise ValueError(f'{metafile} has no model {", ".join(unknown)}; it has {", ".join(names)}')
    return [model for model in meta['Models'] if only is None or model['Name'] in only]


def metafile_jobs(metafile: Path, seeds: Iterable[int], only: Iterable[str] | None = None) -> list:
    """The runs of a metafile, all models of the first seed before those of the next one.

    Raises:
        ValueError: as `read_models`; a model has a metric that no run gives.
    """
    from .jobs import Job, config_hash

    models = read_models(metafile, only)
    for model in models:
        _check_metrics(metafile, model)
    hashes = {model['Config']: config_hash(model['Config'], {}) for model in models}
    return [
        Job(model['Name'], model['Config'], hashes[model['Config']], seed, robustness=wants_robustness(model))
        for seed in seeds
        for model in models
    ]


def wants_robustness(model: dict) -> bool:
    """Has a row of this model a metric of `freqfusion-mm robustness`?"""
    return any(METRICS[name][0].startswith('robustness/') for name in _metrics_of(model))


def _check_metrics(metafile: Path, model: dict) -> None:
    for name in _metrics_of(model):
        if name not in METRICS:
            raise ValueError(f'{metafile}: {model["Name"]} has the metric {name}; known are {", ".join(METRICS)}')


def _metrics_of(model: dict) -> list[str]:
    return [name for result in model['Results'] for name in result['Metrics']]


def record(metafile: Path, line: dict[str, str]) -> None:
    """Writes one line of the raw values into the metafile, beside those of other seeds.

    Convention:
        `Runs` are those of one config, whose hash stands there: a line of another one takes their place.

    Raises:
        ValueError: the line lacks a metric that the metafile names; the metafile was changed meanwhile, and is none any
            more, or has no such model.
    """
    with locked(metafile.parent):
        meta = read_yaml(metafile)  # anew: a run takes minutes, and the file may have changed
        model = _named(metafile, meta, line['name'])
        _check_metrics(metafile, model)
        same_config = model['Metadata'].get(CONFIG_HASH) == line['config_hash']
        for result in model['Results']:
            for name in result['Metrics']:
                if not line.get(METRICS[name][0]):
                    given = ', '.join(key for key, value in line.items() if value and key.startswith(SOURCES))
                    raise ValueError(
                        f'{metafile}: {line["name"]} wants {name}, but its run gave no {METRICS[name][0]}; it gave '
                        f'{given}'
                    )
            runs = result.get('Runs', {}) if same_config else {}
            runs[int(line['seed'])] = {name: _value(name, line) for name in result['Metrics']}
            result['Runs'] = dict(sorted(runs.items()))
            result['Metrics'] = {
                name: round(Sample(_values(name, runs)).mean, METRICS[name][2]) for name in result['Metrics']
            }
        model['Metadata'].update(
            {
                'Training Resources': line['device'],
                'Training Seconds': round(float(line['train_seconds'])),
                'Commit': line['commit'],
                'Torch': line['torch'],
                CONFIG_HASH: line['config_hash'],
            }
        )
        _write(metafile, meta)


def _value(name: str, line: dict[str, str]) -> float:
    column, factor, digits = METRICS[name]
    return round(float(line[column]) * factor, digits)


def _named(metafile: Path, meta: dict, name: str) -> dict:
    for model in meta['Models'] if lists_models(meta) else ():
        if model['Name'] == name:
            return model
    raise ValueError(f'{metafile} has no model {name} any more')


def _values(name: str, runs: dict[int, dict[str, float]]) -> tuple[float, ...]:
    """A metric of the seeds that have it: one that the metafile names since then is not in older runs."""
    return tuple(values[name] for values in runs.values() if name in values)


def count_costs(metafile: Path, check: bool = False, only: Iterable[str] | None = None) -> dict[str, dict]:
    """Builds models of a metafile, counts parameters and multiply-adds, and writes them into it, model by model.

    Args:
        metafile: its models are counted at the input size that stands there, or at that of `costs.input_size`.
        check: write nothing.
        only: names of models; all by default.

    Returns:
        The entries by the model's name.

    Raises:
        ValueError: the file is no metafile, has no model of a name, or, with `check`, states other costs.
    """
    from .costs import costs

    counted, wrong = {}, []
    for model in read_models(metafile, only):
        name, stated = model['Name'], model['Metadata']
        size = stated.get(SIZE)
        found = costs(ROOT / model['Config'], size and tuple(map(int, size.split('x'))))
        counted[name] = {
            PARAMETERS: _rounded(found.parameters / 1e6, stated.get(PARAMETERS)),
            MULTIPLY_ADDS: float(f'{found.multiply_adds / 1e9:.5g}'),
            SIZE: 'x'.join(map(str, found.size)),
        }
        differing = [key for key, value in counted[name].items() if stated.get(key) != value]
        wrong += [f'{name}: {key} {stated.get(key)}, counted {counted[name][key]}' for key in differing]
        if differing and not check:
            with locked(metafile.parent):
                meta = read_yaml(metafile)  # anew: others may write while this goes on
                _named(metafile, meta, name)['Metadata'].update(counted[name])
                _write(metafile, meta)
    if check and wrong:
        raise ValueError(f'{metafile} states other costs; run results parameters {metafile}:\n' + '\n'.join(wrong))
    return counted


def _rounded(value: float, stated: float | None) -> float:
    """To three decimals, or to those that stand there: some published counts are exact."""
    return round(value, max(3, len(f'{stated or 0:.9f}'.rstrip('0').partition('.')[2])))


def _write(metafile: Path, meta: dict) -> None:
    with rewritten(metafile) as draft:
        draft.write_text(yaml.safe_dump(meta, sort_keys=False, width=120))


def metafile_tables(metafile: Path, folder: Path) -> str:
    """One table for every task and data set of a metafile; links are relative to `folder`.

    A number that nobody has measured is null in the metafile and "not run" in the table, in the head of one where
    nothing was. Several seeds stand there as
    `55.9 ± 0.4 (3)`: their mean, half its 95 % t interval, and how many they are. Published numbers have columns of
    their own.
    """
    groups: dict[tuple, list[tuple[dict, dict]]] = {}
    for model in read_models(metafile):
        for result in model['Results']:
            groups.setdefault((result['Task'], result['Dataset']), []).append((model, result))
    return '\n'.join(_table(task, dataset, rows, folder) for (task, dataset), rows in groups.items())


def _table(task: str, dataset: str, rows: list[tuple[dict, dict]], folder: Path) -> str:
    names = list(dict.fromkeys(name for _, result in rows for name in result['Metrics']))
    published = any(result.get('Published') for _, result in rows)
    measured = not published or any(value is not None for _, result in rows for value in result['Metrics'].values())
    sizes = {model['Metadata'].get(SIZE) for model, _ in rows}
    size = sizes.pop() if len(sizes) == 1 else None
    head = ['config', 'parameters (M)', f'multiply-adds (G){f" at {size}" if size else ""}']
    head += [f'{name}, published' for name in names if published]
    head += [f'{name}, ours' if published else name for name in names if measured]
    title = f'**{task}, {dataset}**' + ('' if measured else ' (ours: not run)')
    lines = [title, '', '| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    columns = [
        [link(model['Name'], model['Config'], folder) for model, _ in rows],
        _numbers([model['Metadata'].get(PARAMETERS) for model, _ in rows], 'not counted'),
        [_multiply_adds(model['Metadata'], named=size is None) for model, _ in rows],
    ]
    if published:
        columns += [_published([(result.get('Published') or {}).get(name) for _, result in rows]) for name in names]
    if measured:
        columns += [_measured(name, [result for _, result in rows]) for name in names]
    lines += ['| ' + ' | '.join(cells) + ' |' for cells in zip(*columns)]
    return '\n'.join(lines) + '\n'


def _multiply_adds(metadata: dict, named: bool) -> str:
    """With their size where the head of the table does not name it."""
    products = metadata.get(MULTIPLY_ADDS)
    return 'not counted' if products is None else f'{products:g}' + (f' at {metadata[SIZE]}' if named else '')


def _measured(name: str, results: list[dict]) -> list[str]:
    """A column of means, with half their intervals and the seeds where there are several."""
    cells = _numbers([result['Metrics'].get(name) for result in results], 'not run')
    samples = [Sample(_values(name, result.get('Runs', {}))) for result in results]
    return [
        cell if runs.half_width is None else f'{cell} ± {float(f"{runs.half_width:.2g}"):g} ({len(runs.values)})'
        for cell, runs in zip(cells, samples)
    ]


def _published(values: Sequence[float | None]) -> list[str]:
    """A column of cells with the decimals that the metafile states (YAML keeps no zeros at the end), but at least one
    where others have some: 41.0 beside 42.3.
    """
    cells = ['unknown' if value is None else f'{value:g}' for value in values]
    return [f'{cell}.0' if cell.isdecimal() and any('.' in each for each in cells) else cell for cell in cells]


def _numbers(values: Sequence[float | None], missing: str) -> list[str]:
    """A column of cells, each with as many decimals as the longest has."""
    decimals = max((len(f'{value:g}'.partition('.')[2]) for value in values if value is not None), default=0)
    return [missing if value is None else f'{value:.{decimals}f}' for value in values]


def link(name: str, config: str, folder: Path) -> str:
    """A link from a page in `folder` to a config; one that lies beside the page is named alone."""
    if (ROOT / config).parent == folder:
        return f'`{name}`'
    return f'[{name}]({Path(os.path.relpath(ROOT / config, folder)).as_posix()})'
