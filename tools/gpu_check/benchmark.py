"""Time and memory of every operator and layer, ours, as unfold and as plain CUDA, and how near a copy they come."""

from functools import partial
from statistics import median

import torch

from tools.benchmark import measure
from tools.benchmark.entries import Entry, operator, upsampler
from tools.benchmark.ways import why_not

from .hardware import Machine

DTYPES = (torch.float32, torch.bfloat16)
#: Runs of each way, in turns; and of the largest size, the milliseconds after which no turn begins.
ROUNDS, MILLISECONDS = 25, 1500


def entries(cpu: bool) -> list[Entry]:
    """What is measured: maps that fill a GPU, or tiny ones to rehearse."""
    n, c, small = (1, 16, 4) if cpu else (8, 256, 64)
    large, half = 2 * small, c // 4
    coarse, fine = (n, c, small, small), (n, c, large, large)
    kernels = (n, 25, large, large)
    found = [
        operator('carafe', [coarse, kernels], 'x2 k5', 5, normalised=1),
        operator('fns_attention', [(n, 9, large, large), (n, c, small // 2, small // 2)], 'x4 k3', 3, normalised=0),
        operator('window_similarity', [(n, half, large, large), (n, half, small, small)], 'x2 k5', 5),
        operator('normalize_kernels', [kernels], 'k5', 5),
        operator('neighbour_similarity', [(n, half, large, large)], ''),
    ]
    found += [upsampler(name, coarse, fine) for name in ('FreqFusion', 'DySample', 'SAPA', 'FADE')]
    found.append(upsampler('ReSFU', (n, max(c, 32), small // 2, small // 2), (n, max(c, 32), large, large)))
    return found


def run(entry: Entry, dtype: torch.dtype, machine: Machine, cpu: bool) -> dict:
    """Rows of one entry, one for each pass and way; a way that does not agree with ours gets no time."""
    case = entry.make(machine.device, dtype)
    ways = ['ours', 'unfold'] + [way for way in ('plain cuda', 'mmcv') if 'carafe' in entry.name.lower()]
    reasons = {way: why_not(way, machine.device) for way in ways}
    for way in ways[1:]:
        if reasons[way] is None:
            reasons[way] = measure.parity(case, way)
    runnable = [way for way in ways if reasons[way] is None]
    rows = []
    for passes, function in measure.RUNS.items():
        calls = {way: partial(function, case, way) for way in runnable}
        peaks = {way: machine.peak(call) for way, call in calls.items()}
        calls['copy'] = measure.copy_of_the_bytes(case, passes)
        times = _turns(calls, machine, rounds=3 if cpu else ROUNDS)
        moved = measure.bytes_moved(case, passes)
        for way in [*ways, 'copy']:
            row = dict(entry=entry.name, shape=entry.shape, dtype=_short(dtype), passes=passes, way=way)
            row['status'] = reasons.get(way) or 'ok'
            if way in times:
                low, high = measure.quartiles(times[way])
                row.update(ms=median(times[way]), iqr_ms=high - low)
                row['gb_s'] = moved / row['ms'] / 1e6
                row['of_copy'] = median(times['copy']) / row['ms']
                row['peak_mib'] = peaks.get(way)
            rows.append(row)
    unequal = [f'{way}: {reason}' for way, reason in reasons.items() if reason and why_not(way, machine.device) is None]
    return dict(status='failed' if unequal else 'passed', why='; '.join(unequal), arguments=entry.shape, rows=rows)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix('torch.')


def _turns(calls: dict, machine: Machine, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every call, in turns whose first changes, after one that counts for nothing."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for call in calls.values():
        call()
    machine.synchronize()
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(machine.milliseconds(calls[name]))
        if turn >= 2 and sum(map(sum, times.values())) > MILLISECONDS:
            break
    return times
