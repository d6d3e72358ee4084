"""python -m tools.benchmark [--goals] [--models] [--only NAME ...] [--compile] [--scaling] [--device cuda].

`--goals` measures FreqFusion and ReSFU at the sizes that the project promises, in a few minutes on two cores;
`--models` what each upsampler costs whole models.
Writes ENVIRONMENT.csv into tools/benchmark/results, or --out, and from it a table (.md) and a plot (.png).
"""

import os
import shlex
import statistics
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten

import torch

from . import measure, model_report, models, report
from .entries import GOALS, SCALING, TRADES, Case, Entry, entries
from .ways import why_not


def parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog='python -m tools.benchmark',
        description='Measure ours against the unfold formulation, mmcv, and a copy of the bytes.',
    )
    parser.add_argument('--goals', action='store_true', help='only the two layers and sizes of the goals')
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='NAME',
        help='entries whose names hold one of these, or upsamplers of your own by their import paths',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='layers under torch.compile(fullgraph=True) too, compiled anew: a minute each',
    )
    parser.add_argument('--scaling', action='store_true', help='time and memory against pixels, channels, ... instead')
    parser.add_argument('--models', action='store_true', help='what each upsampler costs whole models instead')
    parser.add_argument('--sizes', type=int, nargs='+', default=models.SIZES, help="of the models' square images")
    parser.add_argument('--quick', action='store_true', help='models at the first size, in 3 rounds')
    parser.add_argument('--note', default='', help="a sentence for the models' page: what else the machine did")
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--dtype', default='float32', choices=['float64', 'float32', 'float16', 'bfloat16'])
    parser.add_argument('--threads', type=int, default=2, help='of the CPU')
    parser.add_argument('--rounds', type=int, default=11, help='of interleaved runs, 2 or more')
    parser.add_argument('--seconds', type=float, default=30.0, help='after which a pass begins no further round')
    parser.add_argument('--out', type=_folder, default=report.RESULTS, metavar='FOLDER', help='where the results go')
    return parser


def _folder(path: str) -> Path:
    return Path(path).expanduser()


def environment(device: torch.device, dtype: torch.dtype, threads: int) -> str:
    where = f'cpu-{threads}t'
    if device.type == 'cuda':
        where = torch.cuda.get_device_name(device).lower().replace(' ', '-')
    return f'{where}-torch{torch.__version__.split("+")[0]}-{str(dtype).split(".")[-1]}'


def summary(samples: list[tuple[float, float]]) -> dict[str, str]:
    """Median and interquartile range of the wall clock (of fewer than four runs the range), and the median of processor
    time; milliseconds.
    """
    walls, processors = ([1000 * value for value in column] for column in zip(*samples))
    low, high = measure.quartiles(walls)
    return dict(
        median_ms=f'{statistics.median(walls):.4g}',
        iqr_ms=f'{high - low:.3g}',
        cpu_ms=f'{statistics.median(processors):.4g}',
        runs=str(len(samples)),
    )


def checked(case: Case, way: str) -> tuple[str | None, dict[str, float]]:
    """Why a way gets no times, or None; and what compilation takes for each pass."""
    try:
        seconds = measure.compile_seconds(case) if way == 'compiled' else {}
        reason = measure.parity(case, way)
    except Exception as error:  # compilers and others' kernels fail in many ways; the rest is measured all the same
        if way == 'unfold':
            raise
        what = 'does not compile' if way == 'compiled' else 'fails'
        return shorten(f'{what}: {type(error).__name__}: {error}', 120), {}
    return reason and f'parity failed: {reason}', seconds


def measured(
    entry: Entry, device: torch.device, dtype: torch.dtype, threads: int, rounds: int, seconds: float = 30.0
) -> list[dict]:
    """The rows of an entry; without times where a way is not available or does not agree."""
    print(f'{entry.name}: parity', flush=True)
    case = entry.make(device, dtype)
    status = {way: why_not(way, device) for way in entry.ways}
    compiling = {}
    for way, reason in status.items():
        if way != 'ours' and reason is None:
            status[way], compiling[way] = checked(case, way)
            if status[way] and way == 'unfold':
                status['ours'] = status[way]
    ways = [way for way, reason in status.items() if reason is None]
    print(f'{entry.name}: memory', flush=True)
    memory = {way: measure.extra_memory(entry, way, device, dtype, threads) for way in ways}
    rows = []
    for name, run in measure.RUNS.items():
        print(f'{entry.name}: {name}', flush=True)
        functions = {way: partial(run, case, way) for way in ways}
        functions['copy'] = measure.copy_of_the_bytes(case, name)
        taken = measure.times(functions, device, rounds, seconds)
        for way in (*entry.ways, 'copy'):
            row = dict(entry=entry.name, kind=entry.kind, shape=entry.shape, way=way, status=status.get(way) or 'ok')
            row['pass'] = name
            if way in taken:
                row.update(summary(taken[way]))
            if way in memory:
                row['extra_mib'] = f'{memory[way][name]:.4g}'
            if name in compiling.get(way, {}):
                row['compile_s'] = f'{compiling[way][name]:.3g}'
            rows.append(row)
    return rows


def scaling(device: torch.device, dtype: torch.dtype, threads: int, rounds: int, seconds: float) -> list[dict]:
    rows = []
    for what, steps in (SCALING | TRADES).items():
        for value, entry in steps:
            case = entry.make(device, dtype)
            memory = measure.extra_memory(entry, 'ours', device, dtype, threads)
            for name, run in measure.RUNS.items():
                taken = measure.times({'ours': partial(run, case, 'ours')}, device, rounds, seconds)
                times = {
                    field: text for field, text in summary(taken['ours']).items() if field in report.SCALING_FIELDS
                }
                rows.append(
                    {'what': what, 'value': str(value), 'pass': name, **times, 'extra_mib': f'{memory[name]:.4g}'}
                )
                print(*rows[-1].values(), flush=True)
    return rows


def without_note(arguments: list[str]) -> str:
    """The command of a page, which shows the note by itself."""
    words = ['python', '-m', 'tools.benchmark', *arguments]
    kept = [
        word
        for before, word in zip(['', *words], words)
        if '--note' not in (before, word) and not word.startswith('--note=')
    ]
    return shlex.join(kept)


def check_arguments(args: Namespace) -> None:
    """One clear error for options of which one would be passed over in silence, and for a device that is not there."""
    alone = [name for name in ('goals', 'scaling', 'models') if getattr(args, name)]
    if len(alone) > 1:
        raise SystemExit(f'--{alone[0]} and --{alone[1]} are different benchmarks: run them one after the other')
    others = dict(
        only=args.only is not None and alone in (['goals'], ['scaling']),
        compile=args.compile and alone in (['scaling'], ['models']),
        dtype=args.dtype != 'float32' and args.models,
        sizes=args.sizes is not models.SIZES and not args.models,
        quick=args.quick and not args.models,
        note=bool(args.note) and not args.models,
    )
    for option, passed_over in others.items():
        if passed_over:
            raise SystemExit(
                f'--{option} has no say {f"in --{alone[0]}" if alone else "without --models"}: leave it out'
            )
    if args.out.is_file():
        raise SystemExit(f'--out: {args.out} is a file, and a folder is to be written')
    if args.rounds < 2:
        raise SystemExit(f'--rounds {args.rounds}: a range needs 2 or more')
    try:
        torch.empty(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        raise SystemExit(f'--device {args.device}: {str(error).splitlines()[0]}') from None


def whole_models(args: Namespace, device: torch.device, name: str) -> None:
    """Writes a page, a CSV and a plot of the models, after each of them."""
    try:
        wanted, upsamplers = models.chosen(args.only)
    except ValueError as error:
        raise SystemExit(f'--only: {error}') from None
    path = args.out / f'{name}-models.csv'
    order = [model.name for model in models.MODELS]
    for model in wanted:
        for size in args.sizes[: 1 if args.quick else None]:
            print(f'{model.name}, {size}x{size}', flush=True)
            rounds = 3 if args.quick else args.rounds
            rows = models.measured(model, upsamplers, size, device, rounds, seconds=args.seconds)
            rows = report.update(path, models.FIELDS, partial(model_report.merged, new=rows, order=order))
            done = {(row['model'], row['size']) for row in rows}
            missing = [f'{m}, {s}' for m in order for s in map(str, args.sizes) if (m, s) not in done]
            page = model_report.table(rows, name, without_note(sys.argv[1:]), args.note, missing)
            path.with_suffix('.md').write_text(page)
            model_report.plot(rows, name, path.with_suffix('.png'))
    print(f'wrote {path.parent}/{path.stem}.csv, .md and .png')


def main() -> None:
    args = parser().parse_args()
    check_arguments(args)
    device, dtype = torch.device(args.device), getattr(torch, args.dtype)
    torch.set_num_threads(args.threads)
    name = environment(device, dtype, args.threads)
    if args.models:
        whole_models(args, device, name)
        return
    path = args.out / f'{name}.csv'
    if args.scaling:
        rows = scaling(device, dtype, args.threads, args.rounds, args.seconds)
        path = path.with_name(f'{name}-scaling.csv')
        report.write(path, report.SCALING_FIELDS, rows)
        report.plot_scaling(rows, list(TRADES), name, path.with_suffix('.png'))
        print(f'wrote {path.parent}/{path.stem}.csv and .png')
        return
    try:
        chosen = GOALS if args.goals else entries(args.only)
    except ValueError as error:
        raise SystemExit(f'--only: {error}; entries are {[entry.name for entry in entries()]}') from None
    if args.compile:
        chosen = [
            replace(entry, ways=(*entry.ways, 'compiled')) if entry.kind == 'layer' else entry for entry in chosen
        ]
    order = [entry.name for entry in entries()]
    with TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        os.environ['TORCHINDUCTOR_CACHE_DIR'] = cache  # nothing compiled in it; the processes for memory share it
        for entry in chosen:
            rows = measured(entry, device, dtype, args.threads, args.rounds, args.seconds)
            report.update(path, report.FIELDS, partial(report.merged, new=rows, order=order))
            print(report.table(rows, entry.name).split('\n', 4)[4], flush=True)
    rows = report.read(path)
    path.with_suffix('.md').write_text(report.table(rows, name))
    report.plot(rows, name, path.with_suffix('.png'))
    print(f'wrote {path.parent}/{path.stem}.csv, .md and .png')


if __name__ == '__main__':
    main()
