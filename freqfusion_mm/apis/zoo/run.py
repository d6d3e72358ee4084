"""All configs, one after the other or in several processes, into a CSV that a later run continues."""

import csv
import re
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from .check import check
from .report import FIELDS
from .twins import UNREACHED
from .walk import Place, configs, places

Row = dict[str, str]
Task = tuple[str, str, Path, str | None]
#: (scope, architecture) -> (equal, trains), of a process.
_ANSWERS: dict[tuple[str, str], tuple[str, str]] = {}


def read_rows(file: Path) -> list[Row]:
    """The rows so far."""
    if not file.is_file():
        return []
    with file.open(newline='') as opened:
        return list(csv.DictReader(opened))


def check_all(file: Path, scopes: Sequence[str], only: str | None, upsampler: str | None, jobs: int = 1) -> None:
    """Check the configs that `file` does not have yet.

    Args:
        file: CSV with `FIELDS` of one upsampler, one row a place, or one for a config without any; the rows of a config
            are written as soon as they are known.
        scopes: 'mmdet', 'mmseg' or both.
        only: pattern of the configs' names; None: all.
        upsampler: of the training step; None: no step.
        jobs: processes; each builds an architecture once.

    Raises:
        RuntimeError: a framework is not installed.
        ValueError: no config has such a name.
    """
    done = read_rows(file)
    answers = {
        (row['scope'], row['architecture']): (row['equal'], row['trains']) for row in done if row['architecture']
    }
    seen = {(row['scope'], row['config']) for row in done}
    tasks = [
        (scope, name, path, upsampler)
        for scope in scopes
        for name, path in configs(scope)
        if (scope, name) not in seen and asked(scope, name, scopes, only)
    ]
    if not tasks and not any(asked(scope, name, scopes, only) for scope, name in seen):
        raise ValueError(f"no config's name matches {only}; they are like mask_rcnn/mask-rcnn_r50_fpn_1x_coco")
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        file.open('a', newline='') as opened,
        ProcessPoolExecutor(jobs, initializer=_prepare, initargs=(answers,)) as pool,
    ):
        writer = csv.DictWriter(opened, FIELDS, lineterminator='\n')
        if not opened.tell():
            writer.writeheader()
        for i, (task, rows) in enumerate(zip(tasks, pool.map(_check_config, tasks)), 1):
            writer.writerows(rows)
            opened.flush()
            if i % 50 == 0 or i == len(tasks):
                print(f'{i} of {len(tasks)} configs, the last {task[1]}', file=sys.stderr, flush=True)


def asked(scope: str, config: str, scopes: Sequence[str], only: str | None) -> bool:
    """Is a config one of those that `check_all` is to check?"""
    return scope in scopes and (only is None or fnmatch(config, only))


def _prepare(answers: dict[tuple[str, str], tuple[str, str]]) -> None:
    import torch

    from ... import registration  # noqa: F401
    from ...compat import mmpretrain_imports  # noqa: F401  # for the configs that want its backbones

    _ANSWERS.update(answers)
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')


def _check_config(task: Task) -> list[Row]:
    from mmengine.config import Config

    scope, name, file, upsampler = task
    empty = dict(dict.fromkeys(FIELDS, ''), scope=scope, config=name)
    try:
        model = Config.fromfile(file).get('model')
    except Exception as error:  # whatever a config of another package raises
        said = re.sub(r'/\S*/', '', ' '.join(str(error).split()))  # a table has no paths of this machine
        return [dict(empty, equal=f'does not parse: {type(error).__name__}: {said[:120]}')]
    found = places(model.to_dict(), scope) if model else []
    return [dict(empty, **_row(place, scope, upsampler)) for place in found] or [empty]


def _row(place: Place, scope: str, upsampler: str | None) -> Row:
    if place.twin is None:
        return dict(place=place.path, stock=place.stock, equal=UNREACHED[place.stock])
    key = (scope, place.key)
    if key not in _ANSWERS:
        _ANSWERS[key] = check(place, scope, upsampler)
    equal, trains = _ANSWERS[key]
    names = dict(stock=place.stock, ours=place.twin.name, architecture=place.key)
    return dict(place=place.path, **names, equal=equal, trains=trains)
