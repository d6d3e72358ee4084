"""What `results run`, `tables`, `plots`, `parameters` and `coverage` do."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from .coverage import counts
from .coverage import coverage as find_coverage
from .metafile import MULTIPLY_ADDS, PARAMETERS, SIZE, count_costs, metafile_jobs, record
from .pages import readmes, rendered, study_tables
from .raw_values import RawValues, curve_values
from .study import ROOT, is_metafile, read_study


def run(
    file: Path,
    parallel: int = 1,
    only: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    choose: bool = False,
    work_dir: Path | None = None,
) -> None:
    """Trains and tests the rows of a study or a metafile that have not been yet.

    Args:
        file: a study.yml or a metafile.yml; the raw values go into `results.csv` beside it.
        parallel: how many runs at a time.
        only: names of rows.
        seeds: each once; the study's own by default, 0 for a metafile.
        choose: first choose the settings that rows leave open, into `choices.csv`.
        work_dir: where each run has a folder; by default `work_dirs/<folder of file>` of the checkout, a path from its
            root.

    Raises:
        SystemExit: a run failed.
        ValueError: the file or an argument is wrong.
    """
    from . import jobs
    from .runner import run_jobs

    if parallel < 1:
        raise ValueError(f'--jobs wants at least 1, got {parallel}')
    seeds = list(seeds or [])
    if len(set(seeds)) < len(seeds):
        raise ValueError(f'--seeds wants each seed once, got {" ".join(map(str, seeds))}')
    file = file.expanduser().resolve()
    work_dir = work_dir.expanduser().resolve() if work_dir else _default_work_dir(file.parent)
    start = partial(run_jobs, parallel=parallel)
    failed = []
    if is_metafile(file):
        if choose:
            raise ValueError(f'--choose is for studies, got the metafile {file}')
        listed = metafile_jobs(file, seeds or [0], only)
        failed = start(listed, RawValues(file.with_name('results.csv')), work_dir, finished=partial(record, file))
    else:
        study = read_study(file)
        if choose:
            failed = start(jobs.choices(study, only), RawValues(study.choices), work_dir / 'choices')
            unchosen = {job.name for job in failed}
            only = [row.name for row in study.rows if row.name not in unchosen and (only is None or row.name in only)]
        listed = jobs.results(study, seeds or study.seeds, only)
        failed += start(listed, RawValues(study.raw_values), work_dir, curves=curve_values(study.curves))
        if older := jobs.outdated(study):
            print(f'note: {", ".join(older)}: tables show runs of another config than the row has now; run it again')
        for name, keys in jobs.unmeasured(study).items():
            print(
                f'note: runs of {name} have no {", ".join(keys)}: take their lines out of {study.raw_values.name}, and '
                'they run again'
            )
    if failed:
        raise SystemExit(f'error: failed: {"; ".join(job.title for job in failed)}')


def _default_work_dir(folder: Path) -> Path:
    return ROOT / 'work_dirs' / (folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder.name)


def tables(check: bool = False) -> None:
    """Writes the tables of the README files whose metafile or study has changed.

    Args:
        check: write nothing.

    Raises:
        SystemExit: with `check`, a table is out of date.
    """
    stale = [readme for readme in readmes() if rendered(readme) != readme.read_text()]
    if check and stale:
        names = ', '.join(str(readme.relative_to(ROOT)) for readme in stale)
        raise SystemExit(f'error: out of date: {names}; run python tools/results.py tables')
    for readme in stale:
        readme.write_text(rendered(readme))
        print(f'written: {readme.relative_to(ROOT)}')


def compare(file: Path, against: str) -> None:
    """Prints the tables of a study with another row in the place of its baseline.

    Raises:
        ValueError: the study has no such row.
    """
    print(study_tables(file.resolve(), file.resolve().parent, against))


def plots(file: Path) -> None:
    """Draws the values and the curves of a study into PNG files beside it."""
    from .plots import draw

    for picture in draw(read_study(file.resolve())):
        print(f'written: {picture}')


def parameters(metafile: Path, check: bool = False, only: Iterable[str] | None = None) -> None:
    """Counts parameters and multiply-adds of the models of a metafile and writes them into it.

    Args:
        metafile: a metafile.yml.
        check: write nothing.
        only: names of models.

    Raises:
        ValueError: see `metafile.count_costs`; with `check`, the metafile states other costs.
    """
    for name, found in count_costs(metafile, check, only).items():
        print(f'{found[PARAMETERS]:10.3f} M {found[MULTIPLY_ADDS]:10.3f} G at {found[SIZE]:9s}  {name}')


def coverage(folder: Path) -> None:
    """Prints how many rows of the published tables have a config, or a reason to have none.

    Args:
        folder: of the YAML files with the tables.

    Raises:
        SystemExit: a row has neither.
    """
    tables = find_coverage(folder)
    print(counts(tables))
    missing = [f'{table.name} / {row}' for table in tables for row in table.without]
    if missing:
        raise SystemExit('error: neither a config nor a reason:\n' + '\n'.join(missing))
