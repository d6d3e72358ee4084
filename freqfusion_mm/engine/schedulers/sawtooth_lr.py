"""The learning rate of the ESPNetv2 recipes: a saw-tooth, then, in segmentation, a line to zero.

Source: sacmehta/EdgeNets (2b232d3, MIT), options 'clr' and 'hybrid'; written anew as a scheduler of mmengine.
"""

from collections.abc import Sequence

from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler
from torch.optim import Optimizer


class SawtoothLR(_ParamScheduler):
    """Epoch 0 at the base rate; then cycles that jump to `peak` times the base rate and fall to it linearly.

    Convention:
        Epoch e >= 1 of a cycle of length c has the factor `peak - ((e - 1) % c) * (peak - 1) / (c - 1)`, times
        `gamma` for every milestone reached. From `linear_from` on, a line from the base rate to zero at `end`. Epochs
        are counted from `begin`, all but `begin` and `end` themselves.

    Args:
        optimizer: or mmengine's wrapper of one.
        cycle: epochs of a tooth, two or more.
        peak: largest factor.
        milestones: epochs at which all later factors are multiplied by `gamma`.
        gamma: see `milestones`.
        linear_from: first epoch of the line; None: no line.
        begin, end: epochs in which this scheduler acts; `end` is required with `linear_from`.
        last_step: of a resumed run.
        by_epoch: False counts iterations in place of epochs.
        verbose: log every change.

    Raises:
        ValueError: a cycle below 2, or `linear_from` without `end` or outside of the epochs from `begin` to it.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = SawtoothLR(optimizer, linear_from=7, end=10)
        >>> rates = []
        >>> for _ in range(10):
        ...     rates.append(round(schedule.get_last_value()[0], 2))
        ...     optimizer.step(); schedule.step()
        >>> rates
        [1.0, 5.0, 4.0, 3.0, 2.0, 1.0, 5.0, 0.75, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        cycle: int = 5,
        peak: float = 5.0,
        milestones: Sequence[int] = (),
        gamma: float = 0.5,
        linear_from: int | None = None,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if cycle < 2:
            raise ValueError(f'cycle must be 2 or more, got {cycle}')
        if linear_from is not None and end == INF:
            raise ValueError(f'the line from {linear_from} on wants an end, the epoch at which it reaches zero')
        if linear_from is not None and not 0 <= linear_from < end - begin:
            raise ValueError(
                f'linear_from, counted from begin={begin}, must lie before end={end}: from 0 to {end - begin - 1}, got '
                f'{linear_from}'
            )
        self.cycle, self.peak = cycle, peak
        self.milestones, self.gamma = tuple(milestones), gamma
        self.linear_from = linear_from
        super().__init__(optimizer, 'lr', begin=begin, end=end, last_step=last_step, by_epoch=by_epoch, verbose=verbose)

    def factor(self, epoch: int) -> float:
        if self.linear_from is not None and epoch >= self.linear_from:
            steps = self.end - self.begin - self.linear_from + 1
            return 1 - (epoch - self.linear_from + 1) / steps
        tooth = 1.0 if epoch == 0 else self.peak - (epoch - 1) % self.cycle * (self.peak - 1) / (self.cycle - 1)
        return tooth * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)

    def _get_value(self) -> list[float]:
        factor = self.factor(self.last_step)
        return [base * factor for base in self.base_values]
