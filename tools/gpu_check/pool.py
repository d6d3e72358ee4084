"""Does jobs in processes, starts a new one where one dies, hangs or loses its device, and stops in time."""

import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class _Process:
    """One worker, and the files that tell what it did last."""

    def __init__(self, cpu: bool, folder: Path, index: int) -> None:
        self.launch, self.errors = folder / f'{index}.launch', folder / f'{index}.errors'
        self.launch.write_text('')  # not what the process before launched
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')])))
        if cpu:
            env['TRITON_INTERPRET'] = '1'
        command = [sys.executable, '-m', 'tools.gpu_check.worker', 'cpu' if cpu else 'cuda', str(self.launch)]
        with self.errors.open('ab') as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, env=env
            )

    def ask(self, name: str, seconds: float) -> dict:
        try:
            self.process.stdin.write(f'{name}\n'.encode())
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            line = self.process.stdout.readline() if ready else None
        except BrokenPipeError:
            line = b''
        if line and line.endswith(b'\n'):  # a process that ends while it answers leaves half a line
            return json.loads(line)
        if line is None:
            why = f'no answer within {seconds:.0f} s'
        else:
            why = f'the process ended with {self.process.wait()}: {self._last_words()}'
        launched = self.launch.read_text()
        kernels = [launched.partition('(')[0]] if launched else []
        return dict(status='failed', why=why, arguments=launched, kernels=kernels, lost=True, hung=line is None)

    def _last_words(self) -> str:
        return ' '.join(self.errors.read_text(errors='replace')[-600:].split())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        with suppress(BrokenPipeError):  # what could not be written is written on closing
            self.process.stdin.close()
        self.process.stdout.close()


def run(
    names: Sequence[str], workers: int, cpu: bool, until: float, patience: float, tell: Callable[[str, dict], None]
) -> None:
    """Does the jobs of these names in so many processes, and tells what each found.

    Args:
        names: in the order in which they begin.
        workers: processes at a time.
        cpu: whether to rehearse.
        until: of `time.monotonic`; jobs that would begin later, or end later, are told as 'not run'.
        patience: seconds after which a job is said to hang.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    lock = threading.Lock()

    def work(index: int) -> None:
        process = None
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                break
            left = until - time.monotonic()
            if left <= 0:
                found = dict(status='not run', why='out of time')
            else:
                begin = time.monotonic()
                try:
                    process = process or _Process(cpu, folder, index)
                    found = process.ask(name, min(left, patience))
                except Exception as error:  # whatever it is, it costs this job alone
                    found = dict(status='failed', why=f'{type(error).__name__}: {error}', lost=True)
                found['seconds'] = round(time.monotonic() - begin, 3)
                if found.pop('hung', False) and left < patience:
                    found = dict(status='not run', why='ended, out of time', lost=True)
                if found.pop('lost', False) and process is not None:
                    process.end()
                    process = None
            with lock:
                tell(name, found)
        if process is not None:
            process.end()

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        threads = [threading.Thread(target=work, args=(index,)) for index in range(min(workers, len(names)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
