"""Which Triton kernel was launched last, and with what: a failure has a name, even one that ends the process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor


def describe(value: object) -> str:
    """An argument in one line: a map by its dtype, sizes and strides."""
    if isinstance(value, Tensor):
        sizes = 'x'.join(map(str, value.shape))
        dense = '' if value.is_contiguous() else f' strides {tuple(value.stride())}'
        return f'{str(value.dtype).removeprefix("torch.")}[{sizes}]{dense}'
    return repr(value)


class Launches:
    """Keeps the names of the kernels launched since `clear`, and writes the last launch to a file before it happens.

    Args:
        path: the file; the process that waits for this one reads it where this one dies or hangs.
    """

    def __init__(self, path: Path) -> None:
        self.names: dict[str, None] = {}
        self.last = ''
        self._watching = True
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        self._watch()

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Inside it launches pass unseen: what is timed must not pay for the notes."""
        self._watching = False
        try:
            yield
        finally:
            self._watching = True

    def clear(self) -> None:
        self.names.clear()
        self._write('')

    def _write(self, text: str) -> None:
        self.last = text
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def _watch(self) -> None:
        try:
            from triton.runtime.interpreter import InterpretedFunction
            from triton.runtime.jit import JITFunction
        except ImportError:  # no kernels to launch
            return
        for kind in (JITFunction, InterpretedFunction):
            kind.run = self._noted(kind.run)

    def _noted(self, run):
        def noted(kernel, *args, grid, warmup, **options):
            if self._watching:
                self._note(kernel, args, grid, options)
            return run(kernel, *args, grid=grid, warmup=warmup, **options)

        return noted

    def _note(self, kernel, args: tuple, grid: object, options: dict) -> None:
        room, _, file = kernel.fn.__module__.rpartition('.')
        if room.startswith('freqfusion_mm'):  # no tensor is read, so that a graph may be captured
            name = f'{file}.{kernel.fn.__name__}'
            self.names[name] = None
            named = [f'{option}={describe(value)}' for option, value in options.items()]
            cells = grid if isinstance(grid, tuple) else 'a function'
            self._write(f'{name}({", ".join([*map(describe, args), *named])}) on the grid {cells}')


def lost_device(error: BaseException) -> bool:
    """Whether the process can compute no more: an illegal access leaves CUDA broken until it ends."""
    if not torch.cuda.is_available() or 'out of memory' in str(error):
        return False
    try:
        torch.cuda.synchronize()
    except Exception:
        return True
    return False
