"""A hook that follows what the upsamplers of a model learn, and says so when one runs away."""

import logging
import re
from contextlib import ExitStack

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ...evaluation.analysis.fusion_calls import FusionCall, find_fusions, recorded_fusions
from ...evaluation.analysis.inside_numbers import numbers, troubles
from ...evaluation.analysis.kernel_spectra import high_frequency_share
from ..plain_model import plain_model, whole_weights


class UpsamplerMonitor(Hook):
    """Logs, for every fusion of a model, the numbers that show a runaway in training, and warns of one in words.

    Put it in a config: `custom_hooks = [dict(type='UpsamplerMonitor', interval=100)]`. The scalars go to the visualizer
    of the run, hence to its backends (local files, TensorBoard, W&B), as `upsampler/<name of the layer>/<number>`:

    | number | what |
    | --- | --- |
    | `logit_rms` | root mean square of the kernels' logits around their mean |
    | `kernel_entropy` | how evenly kernels weigh their taps: 0 a single tap, 1 the mean of all |
    | `offset_mean`, `offset_max` | length of the offsets, in pixels of the coarse map |
    | `offset_share` | the mean offset as a share of the map's shorter side |
    | `outside` | share of the samples that are taken more than a pixel outside the map |
    | `high_frequency` | share of the upsampled map's power at frequencies that a map of half its size cannot hold |

    An upsampler has those of what it decides: interpolations the last alone.

    Convention:
        Every `interval` iterations the forward pass keeps each fusion's maps of the first sample; after the step they
        go through the layer once more, with the new weights. Other iterations cost nothing. Each of the two warnings is
        given once a layer: when `kernel_entropy` is below 0.1, and when `outside` is above 0.1.

    Args:
        interval: iterations from one look to the next; the first is after so many.

    Attributes:
        history: of every look the iteration and, by `<name of the layer>/<number>`, what was logged.

    Raises:
        ValueError: an interval below 1; at the start of training, a model without a fusion.
    """

    priority = 'BELOW_NORMAL'

    def __init__(self, interval: int = 100) -> None:
        if interval < 1:
            raise ValueError(f'interval must be a number of iterations of 1 or more, got {interval}')
        self.interval = interval
        self.history: list[tuple[int, dict[str, float]]] = []
        self._recording = ExitStack()
        self._calls: list[FusionCall] | None = None  # of an iteration that is looked at
        self._warned: set[tuple[str, str]] = set()

    def before_train(self, runner: Runner) -> None:
        if not find_fusions(plain_model(runner)):
            raise ValueError(
                f'UpsamplerMonitor found no fusion and no upsampler in {type(plain_model(runner)).__name__}: remove '
                'the hook from custom_hooks, or give the model upsample_cfg'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        if self.every_n_train_iters(runner, self.interval):
            self._calls = self._recording.enter_context(recorded_fusions(plain_model(runner)))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        self._recording.close()
        calls, self._calls = self._calls, None
        if calls is None:
            return
        if not calls:
            if ('model', 'silent') not in self._warned:
                self._warned.add(('model', 'silent'))
                print_log(
                    'UpsamplerMonitor sees no call of an upsampler: the model used none in this iteration, or it is '
                    'compiled, which calls no hooks; to watch it, train without compile',
                    logger='current',
                    level=logging.WARNING,
                )
            return
        latest = {call.name: call for call in calls}
        scalars = {}
        with whole_weights(runner):
            looks = {name: self._look(call) for name, call in latest.items()}
        for name, values in looks.items():
            scalars.update({f'{name}/{number}': value for number, value in values.items()})
            for kind, words in troubles(values).items():
                if (name, kind) not in self._warned:
                    self._warned.add((name, kind))
                    self._warn(name, latest[name].method, words, runner.iter + 1)
        self.history.append((runner.iter + 1, scalars))
        runner.visualizer.add_scalars(
            {f'upsampler/{key}': value for key, value in scalars.items()}, step=runner.iter + 1
        )

    @staticmethod
    @torch.no_grad()
    def _look(call: FusionCall) -> dict[str, float]:
        inside = call.inside()
        values = {} if inside is None else numbers(inside)
        return {**values, 'high_frequency': high_frequency_share(call.lr_up[0].cpu().numpy())}

    @staticmethod
    def _warn(name: str, method: str, words: str, iteration: int) -> None:
        key = re.sub(r'\.\d+$', '', name)  # 'decode_head.fusions.0': with the others of its list
        print_log(
            f'{name} ({method}), iteration {iteration}: {words}. A tenth of its rate may help or cost, compare on val: '
            f'optim_wrapper.paramwise_cfg=dict(custom_keys={{{key!r}: dict(lr_mult=0.1)}}), where its lr_mult is 1 now',
            logger='current',
            level=logging.WARNING,
        )
