"""python -m tools.gpu_check [--cpu] [--only WORD ...] [--minutes 8] [--out DIR], or `freqfusion-mm gpu-check`.

Tests every operator and layer on the GPU against float64 on the CPU, measures them, and trains a small network.
Needs Python, torch with Triton, pytest and matplotlib; nvcc for the comparison with plain CUDA; no framework and no
network. Goes on after a failure. Writes DIR/gpu_check.json, .md and .png, and prints a summary last; its status is 1
where anything failed, or was not run in the time.
"""

import json
import os
import sys
import threading
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from . import pool, report, suite
from .hardware import machine, software
from .jobs import jobs

#: Of the time, what has passed when each phase must be over.
_ENDS = dict(check=0.52, benchmark=0.84, training=0.97)
#: Processes at a time: checks do not mind company, times do.
_WORKERS = dict(check=8, benchmark=1, training=1)


def parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog='freqfusion-mm gpu-check', description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument('--cpu', action='store_true', help='rehearse on the CPU, on tiny maps; times mean nothing')
    parser.add_argument('--only', nargs='+', metavar='WORD', help='jobs whose names hold one of these')
    parser.add_argument('--minutes', type=float, default=8.0, help='after which nothing runs any more')
    parser.add_argument('--workers', type=int, help='processes that check at a time; 8, or 1 on the CPU')
    parser.add_argument('--out', type=Path, default=Path('gpu_check'), help='folder for what is written')
    parser.add_argument('--list', action='store_true', help='print the names of the jobs, and do none')
    return parser


def wanted(name: str, only: list[str] | None) -> bool:
    return not only or any(word.lower() in name.lower() for word in only)


def write(folder: Path, facts: dict[str, str], found: dict[str, dict]) -> None:
    """The JSON and the page; after every phase, so that a run that is cut off leaves what it has."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'gpu_check.json').write_text(json.dumps(dict(facts=facts, found=found), indent=1) + '\n')
    (folder / 'gpu_check.md').write_text(report.markdown(facts, found))


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    names = [name for name in jobs(args.cpu) if wanted(name, args.only)]
    if args.list:
        print(*names, sep='\n')
        return 0
    if not names and not wanted('tests', args.only):
        raise SystemExit(f'--only {" ".join(args.only)}: no job has this in its name; --list prints them')
    try:
        facts = {**machine(args.cpu).facts(), **software()}
    except RuntimeError as error:
        raise SystemExit(str(error)) from None
    begin = time.monotonic()
    print(', '.join(f'{name} {value}' for name, value in facts.items()), flush=True)
    found: dict[str, dict] = {}
    lock = threading.Lock()

    def tell(name: str, each: dict) -> None:
        with lock:
            found[name] = each
        if each['status'] != 'passed':
            print(f'{time.monotonic() - begin:5.0f} s  {each["status"]}: {name}: {each["why"][:300]}', flush=True)

    def seconds_left(phase: str) -> float:
        return begin + 60 * args.minutes * _ENDS[phase] - time.monotonic()

    def run_tests() -> None:
        told = suite.run(max(seconds_left('check'), 1), args.cpu)
        with lock:
            del found['tests']
        for name, each in told.items():
            tell(name, each)

    beside = []
    if wanted('tests', args.only):
        found['tests'] = dict(status='not run', why='nothing was heard of their process')  # until they tell
        beside.append(threading.Thread(target=run_tests))
    if not args.cpu and any('carafe' in name for name in names):
        beside.append(threading.Thread(target=_compile_plain_cuda, daemon=True))
    for thread in beside:
        thread.start()
    for phase in _ENDS:
        chosen = [name for name in names if name.startswith(f'{phase} ')]
        if phase == 'benchmark':
            for thread in beside:
                thread.join(max(0, seconds_left('check')) + 10)  # the tests end themselves in time, and then tell
        workers = (args.workers or (1 if args.cpu else _WORKERS['check'])) if phase == 'check' else _WORKERS[phase]
        patience = 120 if phase == 'check' else 240
        if chosen:
            pool.run(chosen, workers, args.cpu, time.monotonic() + seconds_left(phase), patience, tell)
        with lock:
            ordered = {name: found[name] for name in sorted(found, key=lambda name: _place(name, names))}
        done = sum(ordered[name]['status'] != 'not run' for name in chosen)
        print(f'{time.monotonic() - begin:5.0f} s  {phase}: {done} of {len(chosen)} jobs done', flush=True)
        write(args.out, facts, ordered)
    try:
        drawn = report.plot(facts, ordered, args.out / 'gpu_check.png')
    except ImportError as error:
        drawn = False
        print(f'no plot: {error}')
    print(f'wrote {args.out}/gpu_check.json, .md{", .png" if drawn else ""}')
    print(report.summary(facts, ordered, time.monotonic() - begin), flush=True)
    return 1 if report.failures(ordered) or any(each['status'] == 'not run' for each in ordered.values()) else 0


def _place(name: str, names: list[str]) -> int:
    return names.index(name) if name in names else -1


def _compile_plain_cuda() -> None:
    """While others check: a minute of nvcc, into the folder that the benchmark's process finds it in."""
    from tools.benchmark import plain_cuda

    os.environ.setdefault('MAX_JOBS', '2')
    try:
        plain_cuda.compiled()
    except Exception as error:  # the benchmark says so in its rows
        print(f'no plain CUDA to compare with: {error}'[:300], file=sys.stderr)


if __name__ == '__main__':
    sys.exit(main())
