"""The processes of runs, which end with their parent, unless that is killed outright: then they go on to their end."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .study import ROOT

THREADS = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMEXPR_NUM_THREADS')
#: glibc gives the memory of a large tensor back to the kernel, and fetches it anew in the next iteration. Kept, in
#: large pages, the same run, equal to the bit, takes a tenth less time. What the caller has set goes before.
MEMORY = {
    'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1',
    'MALLOC_MMAP_MAX_': '0',
    'MALLOC_TRIM_THRESHOLD_': str(2**34),
    'MALLOC_TOP_PAD_': str(2**28),
}


class RunFailed(RuntimeError):
    """A run ended without a result; the message says how."""


class Children:
    """The processes that run now, each with its own children (which load data) in a group of its own.

    Args:
        command: starts one; the path of its folder is added.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> 'Children':
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def run(self, folder: Path, held: int) -> int:
        """Starts one with one thread, waits for it, and returns its exit status; a signal's is negative.

        Args:
            folder: its own.
            held: the lock of the folder, which it inherits.

        Raises:
            RunFailed: the children have been ended.
        """
        environment = {**MEMORY, **os.environ, **dict.fromkeys(THREADS, '1')}
        with open(folder / 'stdout.txt', 'w') as stdout, open(folder / 'stderr.txt', 'w') as stderr:
            with self._lock:
                if self._ended:
                    raise RunFailed('it was not started any more')
                child = subprocess.Popen(
                    [*self.command, str(folder)],
                    cwd=ROOT,
                    env=environment,
                    stdout=stdout,
                    stderr=stderr,
                    stdin=subprocess.DEVNULL,
                    pass_fds=(held,),
                    start_new_session=True,  # Ctrl-C reaches us alone, and we end the whole group
                )
                self._running.add(child)
            try:
                return child.wait()
            finally:
                with self._lock:
                    self._running.discard(child)

    def end(self) -> None:
        """Ends all that run, and lets none start."""
        with self._lock:
            self._ended = True
            for child in self._running:
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM, and the end of the terminal unless under `nohup`, end us as Ctrl-C does: with our children."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
