"""Parity, time and memory of the ways to compute one entry."""

import ctypes
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .entries import Case, Entry, entry_of

PASSES = ('forward', 'forward+backward')
#: Of the largest value: float32 sums of another order, and what half precision holds.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
#: Inputs to try for gradients. Of the millions of values in a layer one is often so near zero that rounding alone
#: decides which slope a ReLU has there (ReSFU, compiled: in 3 of 4 draws); two right gradients then differ. A wrong
#: one differs for all inputs.
DRAWS = 16
#: Of a fast function in one round.
TURNS = 4


def forward(case: Case, way: str) -> tuple[Tensor, ...]:
    with torch.no_grad(), case.setting():
        return case.run(way)


def forward_backward(case: Case, way: str) -> tuple[Tensor, ...]:
    with case.setting():
        out = case.run(way)
        if not case.grads:
            generator = torch.Generator().manual_seed(1)
            case.grads = [torch.randn(map_.shape, generator=generator).to(map_) for map_ in out]
        return torch.autograd.grad(out, case.inputs + case.parameters, case.grads, allow_unused=True)


RUNS = dict(zip(PASSES, (forward, forward_backward)))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third; of fewer than four values, which have none, the smallest and the largest."""
    if len(values) < 4:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


def parity(case: Case, way: str) -> str | None:
    """Where the results of ours differ from another way's, or its gradients for all of `DRAWS` inputs; or None."""
    for _ in range(DRAWS):
        if reason := _difference(case, way, 'forward'):
            return reason
        reason = _difference(case, way, 'forward+backward')
        if reason is None:
            break
        with torch.no_grad():
            for tensor in case.inputs:
                tensor.copy_(tensor.roll(1, dims=1))  # kernels still sum to one
    return reason


def _difference(case: Case, way: str, passes: str) -> str | None:
    run = RUNS[passes]
    results = [pair for pair in zip(run(case, 'ours'), run(case, way)) if pair != (None, None)]
    if any(tensor is None for pair in results for tensor in pair):
        return f'{passes}: a gradient is missing'
    largest = max(float(theirs.abs().max()) for _, theirs in results)
    for index, (ours, theirs) in enumerate(results):
        # Some gradients are zero by their formula: all that is in them is the rounding of sums, in float32 or better.
        rounding = 8 * min(torch.finfo(dtype).eps for dtype in (ours.dtype, torch.float32)) * largest
        if max(float(ours.abs().max()), float(theirs.abs().max())) <= rounding:
            continue
        scale = max(float(theirs.abs().max()), 1e-3 * largest)
        error = float((ours - theirs).abs().max()) / scale
        if not error <= max(TOLERANCE[tensor.dtype] for tensor in (ours, case.inputs[0])):
            return f'{passes}: result {index} differs by {error:.1e} of its largest value'
    return None


def compile_seconds(case: Case) -> dict[str, float]:
    """What the first call of each pass takes under `torch.compile`; most of it is compilation."""
    seconds = {}
    for name, run in RUNS.items():
        begin = time.perf_counter()
        run(case, 'compiled')
        seconds[name] = time.perf_counter() - begin
    return seconds


def _synchronize(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def times(
    functions: dict[str, Callable], device: torch.device, rounds: int, seconds: float
) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor seconds of every function, in rounds that take each at least once, the first changing.

    Fast functions are taken up to `TURNS` times a round, one after the other, as often as fits into the slowest one's
    time: between two of them that differ little it is often a slow one before that decides. No round begins after
    `seconds`, but two are always taken, for the range between them.
    """
    taken = {name: [] for name in functions}
    names = list(functions)
    once = {}
    for _ in range(2):  # the first time, libraries load and prepare
        for name in names:
            once[name] = _timed(functions[name], device)[0]
    turns = {name: min(TURNS, int(max(once.values()) // once[name])) for name in names}
    begin = time.perf_counter()
    for index in range(rounds):
        if index > 1 and time.perf_counter() - begin > seconds:
            break
        shift = index % len(names)
        order = names[shift:] + names[:shift]
        for turn in range(TURNS):
            for name in order:
                if turn < turns[name]:
                    taken[name].append(_timed(functions[name], device))
    return taken


def _timed(function: Callable, device: torch.device) -> tuple[float, float]:
    _synchronize(device)
    wall, processor = time.perf_counter(), time.process_time()
    function()
    _synchronize(device)
    return time.perf_counter() - wall, time.process_time() - processor


def bytes_moved(case: Case, passes: str) -> int:
    """What a pass must at least read and write: inputs, outputs and parameters once, and in a backward pass their
    gradients.
    """
    tensors = [*forward(case, 'ours'), *case.inputs, *case.parameters]
    moved = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return moved if passes == 'forward' else 2 * moved


def copy_of_the_bytes(case: Case, passes: str) -> Callable:
    """A copy that moves as many bytes as a pass must."""
    source = torch.ones(bytes_moved(case, passes) // 2, dtype=torch.uint8, device=case.inputs[0].device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


# ---------------------------------------------------------------- memory


def extra_memory(entry: Entry, way: str, device: torch.device, dtype: torch.dtype, threads: int) -> dict[str, float]:
    """Peak memory of each pass beyond inputs and parameters, results included, in MiB.

    CUDA: what the allocator reports. CPU: a fresh process whose C allocator gives every block back at once
    (`MALLOC_MMAP_THRESHOLD_`), and the kernel's own high-water mark of its resident memory over that before the pass.
    """
    if device.type == 'cuda':
        return _extra_on_cuda(entry, way, device, dtype)
    command = [sys.executable, '-m', f'{__package__}.measure', entry.name, way, str(dtype).split('.')[-1], str(threads)]
    environment = dict(os.environ, MALLOC_MMAP_THRESHOLD_='65536', MALLOC_TRIM_THRESHOLD_='65536')
    result = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, cwd=Path(__file__).resolve().parents[2]
    )
    if result.returncode:
        raise RuntimeError(f'measuring the memory of {entry.name}, {way}, failed:\n{result.stderr[-2000:]}')
    return dict(zip(PASSES, map(float, result.stdout.split()[-2:])))


def _extra_on_cuda(entry: Entry, way: str, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    case, extra = entry.make(device, dtype), {}
    for name, run in RUNS.items():
        run(case, way)  # libraries take their workspaces
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run(case, way)
        extra[name] = (torch.cuda.max_memory_allocated(device) - before) / 2**20
    return extra


def _resident(field: str) -> float:
    """MiB of this process: VmRSS now, or VmHWM, the most since `_reset_peak`."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _reset_peak() -> None:
    ctypes.CDLL(None).malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')


def _extra_on_cpu(entry: Entry, way: str, dtype: torch.dtype) -> list[float]:
    case, extra = entry.make(torch.device('cpu'), dtype), []
    for run in RUNS.values():
        run(case, way)  # code is loaded, and primitives are made
        _reset_peak()
        before = _resident('VmRSS')
        run(case, way)
        extra.append(_resident('VmHWM') - before)
    return extra


if __name__ == '__main__':
    name, way, dtype, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    print(*_extra_on_cpu(entry_of(name), way, getattr(torch, dtype)))
