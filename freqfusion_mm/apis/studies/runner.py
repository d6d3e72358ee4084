"""Runs jobs side by side, each in its own process with one thread, and writes what they measured as each ends."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import fmean

from ..shared_files import locked
from .children import Children, RunFailed, ended_by_signals
from .jobs import Job
from .raw_values import RawValues, as_text, newest

#: What starts a run; its work directory follows. This is the one place that knows.
WORKER = (sys.executable, '-m', 'freqfusion_mm.apis.studies.worker')
#: Lines of a failed run's stderr that are shown.
TAIL = 15


def run_jobs(
    jobs: Sequence[Job],
    raw_values: RawValues,
    work_dir: Path,
    *,
    curves: RawValues | None = None,
    parallel: int = 1,
    command: Sequence[str] = WORKER,
    finished: Callable[[dict], None] = lambda line: None,
    report: Callable[[str], None] = partial(print, flush=True),
) -> list[Job]:
    """Runs every job that has no line in the CSV yet.

    Args:
        jobs: in the order in which they are started.
        raw_values: where the line of a finished run goes.
        work_dir: each job has a folder of its own in it.
        curves: where the points of its curves go.
        parallel: how many runs at a time.
        command: starts a run; the path of its folder is added.
        finished: is called with every line, of new runs and of those that were there; a ValueError fails that run.
        report: is called with every message on the progress.

    Returns:
        The jobs that failed. They cost themselves alone: the others go on.
    """
    lines = {raw_values.key_of(line): line for line in raw_values.read()}
    waiting = [job for job in jobs if job.key not in lines]
    found = [lines[job.key] for job in jobs if job.key in lines]
    shown = newest(lines.values())
    hidden = [line for line in found if line not in shown[line['name']].values()]
    if hidden:
        raw_values.add(*hidden)  # now the last: tables show the config that was last asked for
    failed = []
    for job in jobs:
        if job.key in lines and (wrong := _refusal(finished, lines[job.key])):
            failed.append(job)
            report(wrong)
    if len(waiting) < len(jobs):
        report(f'{len(jobs) - len(waiting)} of {len(jobs)} runs are finished already')
    times = TimeLeft(waiting, parallel, lines.values())
    with ended_by_signals(), Children(command) as children, ThreadPoolExecutor(parallel) as pool:
        futures = {pool.submit(_run, children, job, job.folder(work_dir), raw_values, curves): job for job in waiting}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                job, count = futures[future], f'[{number}/{len(waiting)}]'
                try:
                    line, seconds = future.result()
                except RunFailed as error:
                    failed.append(job)
                    times.ended(job, None)
                    report(f'{count} {job.title}: FAILED, {error}')
                    continue
                if line is None:
                    times.ended(job, None)
                    report(f'{count} {job.title}: finished already, by another runner')
                    continue
                if wrong := _refusal(finished, {column: as_text(value) for column, value in line.items()}):
                    failed.append(job)
                    report(wrong)
                times.ended(job, seconds)
                report(f'{count} {job.title}: {_shown(line)}, {_clock(seconds)}; {times.left()}')
        except BaseException:
            children.end()
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def _refusal(finished: Callable[[dict], None], line: dict[str, str]) -> str:
    """What `finished` has against a line; '' if nothing."""
    try:
        finished(line)
    except ValueError as error:
        return str(error)
    return ''


class TimeLeft:
    """How long the rest takes: the mean duration of a row's finished runs, for each of its runs that wait.

    Of a run that ended before, its line knows the training alone: one that has ended since says more.
    """

    def __init__(self, waiting: Sequence[Job], parallel: int, lines: Sequence[dict[str, str]]) -> None:
        self.waiting = list(waiting)
        self.parallel = parallel
        self.trainings: dict[str, list[float]] = {}
        self.durations: dict[str, list[float]] = {}
        for line in lines:
            if line.get('train_seconds'):
                self.trainings.setdefault(line['name'], []).append(float(line['train_seconds']))

    def ended(self, job: Job, seconds: float | None) -> None:
        self.waiting.remove(job)
        if seconds is not None:
            self.durations.setdefault(job.name, []).append(seconds)

    def seconds(self) -> float | None:
        """None while no run has finished; a row without one counts as the mean of the others."""
        means = {name: fmean(values) for name, values in (self.trainings | self.durations).items()}
        if not means:
            return None
        usual = fmean(means.values())
        return sum(means.get(job.name, usual) for job in self.waiting) / min(self.parallel, max(1, len(self.waiting)))

    def left(self) -> str:
        seconds = self.seconds()
        return 'time left unknown' if seconds is None else f'about {_clock(seconds)} left'


def _run(
    children: Children, job: Job, folder: Path, raw_values: RawValues, curves: RawValues | None
) -> tuple[dict | None, float]:
    """One run: its line, as written into the CSV, and its seconds; None where another runner has written it meanwhile.

    A result that nobody wrote into the CSV any more, since the parent was killed, counts; its file goes when it has
    been written. All that while the folder is held: two runners never write the same line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        with locked(folder, wait=False) as held:
            if job.key in raw_values.keys():
                return None, 0.0
            result, description = folder / 'result.json', folder / 'job.json'
            wanted = json.dumps(asdict(job))
            if not (result.exists() and description.exists() and description.read_text() == wanted):
                result.unlink(missing_ok=True)
                description.write_text(wanted)
                status = children.run(folder, held)
                if not result.exists():
                    raise RunFailed(_last_words(status, folder / 'stderr.txt'))
            measured = json.loads(result.read_text())
            line = _line(job, measured)
            if curves:  # first: a run that has a line is finished
                _add_curves(curves, job, measured)
            raw_values.add(line)
            result.unlink()
            return line, time.monotonic() - began
    except BlockingIOError:
        raise RunFailed(f'another run works in {folder}: wait for its end, or end it') from None
    except (ValueError, OSError) as error:  # a file that somebody edits, a full disk
        raise RunFailed(
            f'{error}; what it has measured stays in {folder}, for the same command to go on from'
        ) from error


def _last_words(status: int, stderr: Path) -> str:
    how = f'signal {-status}' if status < 0 else f'exit status {status}' + ' without a result' * (status == 0)
    said = stderr.read_text(errors='replace').splitlines()  # libraries in C print names of files as they are
    tail = ''.join(f'\n    {line}' for line in said[-TAIL:])
    return f'{how}; its last words, all of them are in {stderr}:{tail or " none"}'


def _line(job: Job, result: dict) -> dict:
    fields = ('name', 'config', 'config_hash', 'seed', 'choice')
    return {**{field: getattr(job, field) for field in fields}, **result['values']}


def _add_curves(curves: RawValues, job: Job, result: dict) -> None:
    run = {'name': job.name, 'config_hash': job.config_hash, 'seed': job.seed}
    points = [{**run, 'metric': metric, 'step': step, 'value': value} for metric, step, value in result['curves']]
    curves.add(*points)


def _shown(line: dict) -> str:
    metrics = [(key, value) for key, value in line.items() if key.startswith(('test/', 'val/'))]
    tests = [pair for pair in metrics if pair[0].startswith('test/')] or metrics
    return ', '.join(f'{key} {value:.4g}' for key, value in tests[:3]) or 'no metric'


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
