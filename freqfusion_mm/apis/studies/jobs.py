"""What a study or a metafile wants to be run: one `Job` a row and seed."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...compat import config_prefix, mmseg_prefix
from ..config import load_config
from .raw_values import RawValues, newest
from .study import ROOT, Row, Study


@dataclass(frozen=True)
class Job:
    """One run.

    Args:
        name: of its row.
        config: path from the checkout's root.
        config_hash: of the resolved config.
        seed: of everything random.
        options: keys with dots and their values, over those of the config.
        choice: the value that was chosen for this row, or is being tried.
        test: whether to test what was trained; a run that chooses a setting never sees the test set, nor do those of a
            study without a metric of it.
        robustness: whether to test on corrupted and shifted images, too.
        robustness_images: on so many, spread evenly; None: on all.
        flops_shape: the input [C, H, W] whose multiply-adds are counted.
        curves: the metrics of validation that are kept for every iteration.
    """

    name: str
    config: str
    config_hash: str
    seed: int
    options: dict[str, Any] = field(default_factory=dict)
    choice: Any = None
    test: bool = True
    robustness: bool = False
    robustness_images: int | None = None
    flops_shape: tuple[int, ...] | None = None
    curves: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        return self.name, self.config_hash, str(self.seed)

    @property
    def title(self) -> str:
        return self.name + (f' ({self.choice})' if self.choice is not None else '') + f', seed {self.seed}'

    def folder(self, work_dir: Path) -> Path:
        """Its own work directory, whose name needs no quotes in a shell."""
        name = re.sub(r'[^\w.-]+', '-', self.name)
        return work_dir / f'{name}_seed{self.seed}_{self.config_hash}'

    def load(self, folder: Path) -> Config:
        """Its config, as it is run in `folder`."""
        options = {**self.options, 'randomness.seed': self.seed}
        return load_config(ROOT / self.config, cfg_options=options, work_dir=str(folder))


def config_hash(config: str, options: dict[str, Any]) -> str:
    """12 hexadecimal digits of the SHA-256 of a resolved config.

    It is the same for every seed and work directory, and wherever the data lie: variables of the environment stay
    as they are written in the config. Nor does it change with the words of `data_help`.
    """
    config_prefix.apply()
    mmseg_prefix.apply()
    cfg = Config.fromfile(ROOT / config, use_environment_variables=False, import_custom_modules=False)
    cfg.merge_from_dict({**options, 'randomness.seed': None, 'work_dir': None})
    content = {key: value for key, value in cfg.to_dict().items() if key != 'data_help'}
    text = json.dumps(content, sort_keys=True, default=lambda value: getattr(value, '__qualname__', repr(value)))
    return sha256(text.encode()).hexdigest()[:12]


def results(study: Study, seeds: Iterable[int], only: Iterable[str] | None = None) -> list[Job]:
    """The runs of a study's results, all rows of the first seed before those of the next one.

    Raises:
        ValueError: `only` names no row of the study, or a row's setting has not been chosen yet.
    """
    rows = _selected(study, only)
    made = {row.name: _job(study, row, _chosen(study, row), 0, {}) for row in rows}
    return [replace(made[row.name], seed=seed) for seed in seeds for row in rows]


def choices(study: Study, only: Iterable[str] | None = None) -> list[Job]:
    """The short runs that choose a setting for the rows that want one: one run a value."""
    return [
        _job(study, row, value, study.choice.seed, study.choice.options, test=False)
        for row in _selected(study, only)
        if row.choose
        for value in row.choose.values
    ]


def outdated(study: Study) -> list[str]:
    """The rows whose lines, those that tables show, are of another config than theirs is now."""

    def hash_now(name: str) -> str | None:
        try:
            return results(study, [0], [name])[0].config_hash
        except ValueError:  # its setting has to be chosen again
            return None

    shown = newest(RawValues(study.raw_values).read())
    hashes = {name: next(iter(lines.values()))['config_hash'] for name, lines in shown.items()}
    return [row.name for row in study.rows if row.name in hashes and hashes[row.name] != hash_now(row.name)]


def unmeasured(study: Study) -> dict[str, list[str]]:
    """The rows of whose lines, those that tables show, some lack metrics of the test that the study names now."""
    keys = [metric.key for metric in study.metrics if metric.key.startswith(('test/', 'robustness/'))]
    found = {}
    for name, lines in newest(RawValues(study.raw_values).read()).items():
        if lacking := [key for key in keys if not all(line.get(key) for line in lines.values())]:
            found[name] = lacking
    return found


def _job(study: Study, row: Row, chosen: Any, seed: int, more: dict[str, Any], test: bool = True) -> Job:
    options = {**study.options, **row.options, **({row.choose.key: chosen} if row.choose else {}), **more}
    keys = [metric.key for metric in study.metrics]
    test = test and any(key.startswith(('test/', 'robustness/')) for key in keys)
    robustness = test and any(key.startswith('robustness/') for key in keys)
    # measured on other images, it is another run
    measured = {'robustness_images': study.robustness_images} if robustness and study.robustness_images else {}
    return Job(
        name=row.name,
        config=row.config,
        config_hash=config_hash(row.config, {**options, **measured}),
        seed=seed,
        options=options,
        choice=chosen,
        test=test,
        robustness=robustness,
        robustness_images=study.robustness_images,
        flops_shape=study.flops_shape,
        curves=tuple(key.split('/', 1)[1] for key in keys if key.startswith(('test/', 'val/'))),
    )


def _chosen(study: Study, row: Row) -> Any:
    """The value whose short run has the best metric; the first of equals."""
    if row.choose is None:
        return None
    measured = {(line['name'], line['config_hash'], line['seed']): line for line in RawValues(study.choices).read()}
    scored = []
    for job in choices(study, [row.name]):
        if job.key not in measured:
            raise ValueError(
                f'{study.path}: {row.choose.key} of row {row.name} has not been chosen yet: no run of {job.choice} in '
                f'{study.choices.name}; choose first: results run {study.path} --choose'
            )
        line = measured[job.key]
        if not line.get(study.choice.metric):
            given = ', '.join(key for key, value in line.items() if value and key.startswith('val/'))
            raise ValueError(
                f'{study.path}: rows are chosen by {study.choice.metric}, which the run of {row.name} with '
                f'{job.choice} has not given; it gave {given or "no metric of val"}'
            )
        score = float(line[study.choice.metric]) * (1 if study.choice.higher_is_better else -1)
        scored.append((score if score == score else float('-inf'), job.choice))  # NaN: a run that diverged
    return max(scored, key=lambda pair: pair[0])[1]


def _selected(study: Study, only: Iterable[str] | None) -> list[Row]:
    names = [row.name for row in study.rows]
    unknown = sorted(set(only or []) - set(names))
    if unknown:
        raise ValueError(f'{study.path} has no row {", ".join(unknown)}; it has {", ".join(names)}')
    return [row for row in study.rows if only is None or row.name in only]
