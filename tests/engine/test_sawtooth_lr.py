"""The schedule of the ESPNetv2 recipes, and what it refuses; its rates are in its docstring, which is run."""

import pytest
import torch

pytest.importorskip('mmengine')

from freqfusion_mm.engine.schedulers.sawtooth_lr import SawtoothLR  # noqa: E402


@pytest.mark.parametrize(
    'options, said',
    [
        (dict(cycle=1), 'cycle must be 2 or more'),
        (dict(linear_from=3), 'the line from 3 on wants an end'),
        (dict(linear_from=9, begin=2, end=10), 'from 0 to 7, got 9'),
    ],
)
def test_what_it_refuses(options, said):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with pytest.raises(ValueError, match=said):
        SawtoothLR(optimizer, **options)
    SawtoothLR(optimizer)  # the teeth alone want no end


def test_each_milestone_lowers_the_teeth_from_its_own_epoch_on():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    plain, lowered = SawtoothLR(optimizer), SawtoothLR(optimizer, milestones=(2, 4), gamma=0.1)
    for epoch, times in enumerate((0, 0, 1, 1, 2, 2, 2)):
        assert lowered.factor(epoch) == pytest.approx(plain.factor(epoch) * 0.1**times)


@pytest.mark.parametrize('begin', [0, 3])
def test_the_line_reaches_zero_at_the_end_wherever_it_begins(begin):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = SawtoothLR(optimizer, linear_from=2, begin=begin, end=begin + 4)
    assert [schedule.factor(epoch) for epoch in (2, 3, 4)] == pytest.approx([2 / 3, 1 / 3, 0])
