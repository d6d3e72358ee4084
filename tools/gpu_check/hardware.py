"""What the checks ask of the hardware: a CUDA device, or the CPU, which rehearses the same calls."""

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from freqfusion_mm.ops.triton import missing

Function = Callable[..., Sequence[Tensor]]


class Gpu:
    """CUDA events, graphs and streams."""

    backend = 'inductor'

    def __init__(self) -> None:
        self.device = torch.device('cuda', torch.cuda.current_device())
        # What is compared with float64 is computed in the precision that it is asked for.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def facts(self) -> dict[str, str]:
        properties = torch.cuda.get_device_properties(self.device)
        return dict(
            device=properties.name,
            capability=f'{properties.major}.{properties.minor}',
            memory=f'{properties.total_memory / 2**30:.0f} GiB',
            cuda=str(torch.version.cuda),
            cudnn=str(torch.backends.cudnn.version()),
        )

    def synchronize(self) -> None:
        torch.cuda.synchronize(self.device)

    def milliseconds(self, function: Callable[[], object]) -> float:
        """Of one call, by events."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        function()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    def peak(self, function: Callable[[], object]) -> float | None:
        """MiB beyond what is held before, at the most."""
        self.synchronize()
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        function()
        self.synchronize()
        return (torch.cuda.max_memory_allocated(self.device) - before) / 2**20

    def replayed(self, function: Function, first: Sequence[Tensor], then: Sequence[Tensor]) -> list[Tensor]:
        """Results for `then` of a CUDA graph that was captured with `first`.

        Nothing may be freed by the graph that the caller reads, and no kernel may be tuned while it is captured, so
        `function` runs three times before, as torch's documentation of graphs asks.
        """
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        held = [tensor.detach().clone(memory_format=torch.preserve_format).requires_grad_() for tensor in first]
        with torch.cuda.stream(stream):
            for _ in range(3):
                function(held)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = function(held)
        with torch.no_grad():
            for tensor, value in zip(held, then):
                tensor.copy_(value)
        graph.replay()
        self.synchronize()
        return [result if result is None else result.clone() for result in results]

    def side_by_side(self, calls: Sequence[Callable[[], Sequence[Tensor]]], times: int = 4) -> list[list[Tensor]]:
        """The last results of each of the calls, which run on streams of their own at the same time."""
        self.synchronize()
        streams = [torch.cuda.Stream() for _ in calls]
        results: list = [None] * len(calls)
        for _ in range(times):
            for index, (call, stream) in enumerate(zip(calls, streams)):
                with torch.cuda.stream(stream):
                    results[index] = call()
        self.synchronize()
        return results


class Cpu:
    """The rehearsal: a clock for events, a second call for a graph, threads for streams."""

    backend = 'aot_eager'

    def __init__(self) -> None:
        self.device = torch.device('cpu')

    def facts(self) -> dict[str, str]:
        return dict(device=f'{platform.processor() or platform.machine()} (rehearsal)')

    def synchronize(self) -> None:
        """Calls return when they are done."""

    def milliseconds(self, function: Callable[[], object]) -> float:
        begin = time.perf_counter()
        function()
        return 1000 * (time.perf_counter() - begin)

    def peak(self, function: Callable[[], object]) -> float | None:
        """Not known: a CPU's allocator is not asked here."""
        function()
        return None

    def replayed(self, function: Function, first: Sequence[Tensor], then: Sequence[Tensor]) -> list[Tensor]:
        held = [tensor.detach().clone(memory_format=torch.preserve_format).requires_grad_() for tensor in first]
        function(held)
        with torch.no_grad():
            for tensor, value in zip(held, then):
                tensor.copy_(value)
        return list(function(held))

    def side_by_side(self, calls: Sequence[Callable[[], Sequence[Tensor]]], times: int = 1) -> list[list[Tensor]]:
        results: list = [None] * len(calls)

        def run(index: int, call: Callable) -> None:
            results[index] = call()

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if any(result is None for result in results):
            raise RuntimeError('a call failed in its thread; see the error stream')
        return results


Machine = Gpu | Cpu


def machine(cpu: bool) -> Machine:
    """The hardware to run on.

    Raises:
        RuntimeError: no CUDA device, and not asked to rehearse; no Triton that the kernels are written for.
    """
    if not cpu and not torch.cuda.is_available():
        raise RuntimeError('torch sees no CUDA device; --cpu rehearses the same on the CPU')
    if (reason := missing()) is not None:
        raise RuntimeError(f'it is the Triton kernels that are checked, and {reason}')
    return Cpu() if cpu else Gpu()


def software() -> dict[str, str]:
    found = dict(python='.'.join(map(str, sys.version_info[:3])), torch=torch.__version__, cores=str(os.cpu_count()))
    for package in ('triton', 'mmcv'):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = 'none'
    return found
