"""Memory layouts in which torch's own operators are wrong on a CPU: the layers keep out of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from freqfusion_mm.layers import EESP, PairedDifferenceConv, ReSFU

LAYOUTS = [torch.contiguous_format, torch.channels_last]
CALLS = {
    'paired difference': (lambda: PairedDifferenceConv(32, 64, groups=4), lambda conv, x: conv(x, x.flip(-1), (4, 2))),
    'EESP': (lambda: EESP(64, 64, receptive_limit=9).eval(), lambda block, x: block(x)),
}


@pytest.mark.parametrize('weights', LAYOUTS, ids=str)
@pytest.mark.parametrize('maps', LAYOUTS, ids=str)
@pytest.mark.parametrize('autocast', [False, True], ids=['bfloat16', 'autocast'])
@pytest.mark.parametrize('name', CALLS)
def test_gradients_of_dilated_groups_in_bfloat16(name, autocast, maps, weights):
    """Of a width from which on those of torch are NaN, or off by powers of ten, in channels last."""
    make, call = CALLS[name]
    torch.manual_seed(0)
    layer = make()
    x = torch.randn(2, 32 if name == 'paired difference' else 64, 34, 40)
    call(layer, x).square().mean().backward()
    wanted = {name: weight.grad for name, weight in layer.named_parameters()}
    layer.zero_grad()
    layer.to(memory_format=weights)
    x = x.contiguous(memory_format=maps)
    if autocast:
        with torch.autocast('cpu', torch.bfloat16):
            out = call(layer, x)
    else:
        out = call(layer.bfloat16(), x.bfloat16())
    out.float().square().mean().backward()
    for name, weight in layer.named_parameters():
        assert (weight.grad - wanted[name]).norm() < 0.1 * wanted[name].norm(), name


FROZEN = """
import torch
from freqfusion_mm.layers import ReSFU
from freqfusion_mm.layers.norms import GroupNorm

maps = [torch.randn(2, 16, *size).contiguous(memory_format=torch.channels_last) for size in ((5, 7), (20, 28))]
for learns in ((False, False), (True, False)):
    ReSFU(16, 16)(*(x.clone().requires_grad_(each) for x, each in zip(maps, learns))).square().sum().backward()
norm = GroupNorm(4, 16)
norm(maps[0]).square().sum().backward()
first = norm.weight.grad.clone()
norm.zero_grad()
norm(maps[0].contiguous().requires_grad_()).square().sum().backward()
torch.testing.assert_close(first, norm.weight.grad)
print('alive')
"""


@pytest.mark.slow
def test_a_frozen_backbone_in_channels_last():
    """In a process of its own: torch's GroupNorm would end it."""
    done = subprocess.run(
        [sys.executable, '-c', FROZEN],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])},
    )
    assert done.stdout == 'alive\n', (done.returncode, done.stderr)


def test_without_gradients_nothing_is_copied():
    x = torch.randn(2, 16, 5, 7).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        norm = ReSFU(16, 16).lr_norm
        assert norm(x).is_contiguous(memory_format=torch.channels_last)
