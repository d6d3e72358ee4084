"""One run in a process of its own: `python -m freqfusion_mm.apis.studies.worker FOLDER`.

FOLDER holds `job.json`, the fields of a `Job`; trained and tested, the run leaves `result.json` there: what it
measured under `values`, and its curves as [metric, step, value] under `curves`.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from shutil import which
from statistics import fmean
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...engine.hooks.upsampler_monitor import UpsamplerMonitor
from ...ops.library import CAN_REGISTER
from ..channels import channels_taken
from ..data import check_data
from ..runner import build_runner
from ..shared_files import rewritten
from ..unreadable import ReadableLoader, left_out_of_training, skip_unreadable_in_training
from .costs import built, multiply_adds, parameters
from .jobs import Job
from .study import ROOT

#: The training loss of a run: the mean of so many last iterations.
LAST_ITERATIONS = 50
#: Points that a curve of the training loss is thinned to; each is the mean of what lies between.
CURVE_POINTS = 40


class Record(Hook):
    """Keeps what training takes, without its validations, and what each validation measures."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.validations: list[tuple[int, dict[str, Any]]] = []

    def _start(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def _stop(self) -> None:
        self.seconds += time.perf_counter() - self._began[0]
        self.cpu_seconds += time.process_time() - self._began[1]

    def before_train(self, runner: Runner) -> None:
        self._start()

    def after_train(self, runner: Runner) -> None:
        self._stop()

    def before_val(self, runner: Runner) -> None:
        self._stop()

    def after_val(self, runner: Runner) -> None:
        self._start()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        self.validations.append((runner.iter, numbers(metrics or {})))


def run(job: Job, folder: Path) -> dict[str, Any]:
    """Trains and tests: the weights after the last iteration are those that count, as in the last checkpoint.

    Images that cannot be read are treated as `train` and `test` do; 'unreadable' counts them where there are any.

    Raises:
        ValueError: the job wants a test, and its config has none.
    """
    cfg = job.load(folder)
    if job.test and not cfg.get('test_dataloader'):
        raise ValueError(f'{job.config} has no test_dataloader, and metrics of the test are wanted')
    check_data(cfg, 'train_dataloader', 'val_dataloader', *(['test_dataloader'] if job.test else []))
    values = {
        'commit': commit(),
        'torch': str(torch.__version__),
        'device': device(),
        **complexity(cfg, job.flops_shape),
    }
    runner = build_runner(cfg)
    record = Record()
    runner.register_hook(record)
    report = skip_unreadable_in_training(runner)
    runner.train()
    losses = [float(loss) for loss in runner.message_hub.get_scalar('train/loss').data[0]]
    values |= {
        'train_seconds': round(record.seconds, 1),
        'train_cpu_seconds': round(record.cpu_seconds, 1),
        'train/loss': fmean(losses[-LAST_ITERATIONS:]),
    }
    unreadable = set(left_out_of_training(runner, report))
    looks = monitored(runner)
    values |= {metric: value for _, numbers_of_look in looks[-1:] for metric, value in numbers_of_look.items()}
    if record.validations:
        values |= {f'val/{name}': value for name, value in record.validations[-1][1].items()}
    if job.test:
        loader = ReadableLoader(runner.test_loop.dataloader, channels_taken(runner.model))
        runner.test_loop.dataloader = loader
        values |= {f'test/{name}': value for name, value in numbers(runner.test()).items()}
        unreadable |= set(loader.failures)
    values |= {'unreadable': len(unreadable)} if unreadable else {}
    if job.robustness:
        values |= {
            f'robustness/{name}': value for name, value in robustness(cfg, folder, job.robustness_images).items()
        }
    curves = [('train/loss', *point) for point in thinned(losses)]
    curves += [(metric, step, value) for step, numbers_of_look in looks for metric, value in numbers_of_look.items()]
    curves += [
        (f'val/{name}', step, metrics[name])
        for step, metrics in record.validations
        for name in job.curves
        if name in metrics
    ]
    return {'values': values, 'curves': curves}


def complexity(cfg: Config, shape: tuple[int, int, int] | None) -> dict[str, int | None]:
    """Parameters, and under 'flops', as most papers call them, multiply-adds: None if not asked for or an old torch."""
    model = built(cfg)
    counted = multiply_adds(model, shape) if shape and CAN_REGISTER else None
    return {'parameters': parameters(model), 'flops': counted}


def robustness(cfg: Config, folder: Path, images: int | None = None) -> dict[str, float]:
    """What `freqfusion-mm robustness` says of the last checkpoint, on so many images or on all."""
    config = folder / 'robustness' / 'config.py'
    config.parent.mkdir(exist_ok=True)
    cfg.dump(config)
    checkpoint = (folder / 'last_checkpoint').read_text().strip()
    command = [sys.executable, '-m', 'freqfusion_mm', 'robustness', '--model', str(config), checkpoint]
    command += ['--out', str(config.parent), *(['--images', str(images)] if images else [])]
    written = config.parent / 'summary.json'
    written.unlink(missing_ok=True)
    status = subprocess.run(command, cwd=ROOT).returncode
    if not written.exists():  # with it, a status says that some images could not be read
        raise RuntimeError(f'robustness ended with status {status} and without a result')
    [summary] = json.loads(written.read_text()).values()
    return summary


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """The metrics that are numbers; frameworks also return texts."""
    return {name: float(value) for name, value in metrics.items() if not isinstance(value, (str, list, dict))}


def monitored(runner: Runner) -> list[tuple[int, dict[str, float]]]:
    """(step, numbers) of every look of the run's `UpsamplerMonitor`, if it has one: `train/upsampler/<number>`.

    Of each number the layer that is worst off: the lowest entropy, the highest of all else; NaN where a layer has it.
    """
    looks = []
    for monitor in [hook for hook in runner.hooks if isinstance(hook, UpsamplerMonitor)]:
        for step, scalars in monitor.history:
            by_number: dict[str, list[float]] = {}
            for key, value in scalars.items():
                by_number.setdefault(key.rsplit('/', 1)[1], []).append(value)
            worst = {
                f'train/upsampler/{number}': float((np.min if number == 'kernel_entropy' else np.max)(layers))
                for number, layers in by_number.items()
            }
            looks.append((step, worst))
    return looks


def thinned(losses: list[float]) -> list[tuple[int, float]]:
    """(step, mean) of consecutive parts of the losses."""
    size = -(-len(losses) // CURVE_POINTS)
    return [
        (min(start + size, len(losses)), fmean(losses[start : start + size])) for start in range(0, len(losses), size)
    ]


def commit() -> str:
    """The commit that is checked out, with -dirty where files differ from it that a run could read; '' without git."""
    if not which('git'):
        return ''

    def git(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(['git', *arguments], cwd=ROOT, capture_output=True, text=True)

    written = [f':(exclude)*{name}' for name in ('.csv', '.md', '.png', '.jpg', 'metafile.yml')]
    changed = git('diff', '--quiet', 'HEAD', '--', '.', *written).returncode == 1
    new = git('ls-files', '--others', '--exclude-standard', '--', '*.py').stdout
    return git('rev-parse', '--short', 'HEAD').stdout.strip() + '-dirty' * bool(changed or new)


def device() -> str:
    """What the run computes on."""
    if torch.cuda.is_available():
        return f'{torch.cuda.device_count()}x {torch.cuda.get_device_name()}'
    return f'{torch.get_num_threads()} CPU threads ({platform.machine()})'


def main(folder: Path) -> None:
    """Runs the job of a folder that the caller holds."""
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 1)))
    job = Job(**json.loads((folder / 'job.json').read_text()))
    result = run(job, folder)
    with rewritten(folder / 'result.json') as draft:
        draft.write_text(json.dumps(result))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
