"""Everything that is to be done, by name: a job is one call that returns a status and what was found."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from . import benchmark, checks, training
from .hardware import Machine
from .launches import Launches

Job = Callable[[Machine, Launches | None], dict]
PHASES = ('check', 'benchmark', 'training')


def jobs(cpu: bool) -> dict[str, Job]:
    """All jobs in their order, each called `PHASE ...`."""
    found: dict[str, Job] = {}
    for check in checks.checks(cpu):
        found[check.name] = partial(checks.run, check)
    for entry in benchmark.entries(cpu):
        for dtype in benchmark.DTYPES:
            name = f'benchmark {entry.name}: {str(dtype).removeprefix("torch.")}'
            found[name] = _unwatched(benchmark.run, entry, dtype, cpu=cpu)
    for upsampler in training.UPSAMPLERS:
        for precision in training.PRECISIONS:
            found[f'training {upsampler}: {precision}'] = _unwatched(training.run, upsampler, precision, cpu=cpu)
    return found


def _unwatched(run: Callable, *args, cpu: bool) -> Job:
    def job(machine: Machine, launches: Launches | None) -> dict:
        with launches.unwatched() if launches else nullcontext():
            return run(*args, machine, cpu)

    return job
