"""Compiled by torch's own compiler, layers give the same results and gradients, at several sizes."""

import copy

import pytest
import torch
from marks import needs_tracer
from small_upsamplers import CFGS

from freqfusion_mm.layers import BlurPool, LiftDownPool, ShallowImageGuide, build_fusion

pytestmark = [pytest.mark.slow, needs_tracer]  # C++ is compiled


def check(layer, compiled, *inputs):
    results = []
    for way in (layer, compiled):
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        out = way(*leaves)
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        grads = torch.autograd.grad(sum(map_.square().sum() for map_ in outs), leaves)
        results.append([*outs, *grads])
    for expected, actual in zip(*results):
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', ['FreqFusion', 'ReSFU', 'SAPA'])
def test_fusions(name):
    torch._dynamo.reset()  # what other tests compiled counts
    fusion = build_fusion(CFGS[name], 16, 12)
    compiled = torch.compile(copy.deepcopy(fusion), fullgraph=True, dynamic=False)
    for coarse, fine in (((5, 7), (11, 13)), ((5, 7), (10, 14))):
        check(fusion, compiled, torch.randn(2, 16, *coarse), torch.randn(2, 12, *fine))


@pytest.mark.parametrize('name', ['FreqFusion', 'ReSFU', 'SAPA'])
def test_one_graph_holds_all_sizes_of_a_ratio(name):
    """What is traced has free sizes; inductor (torch 2.13, CPU) fixes them, so another backend shows it."""
    torch._dynamo.reset()
    fusion = build_fusion(CFGS[name], 16, 12)
    compiled = torch.compile(copy.deepcopy(fusion), fullgraph=True, dynamic=True, backend='aot_eager')
    for coarse, fine, known in (((5, 7), (11, 13), False), ((5, 7), (10, 14), False), ((8, 6), (16, 12), True)):
        with torch._dynamo.config.patch(error_on_recompile=known):
            check(fusion, compiled, torch.randn(2, 16, *coarse), torch.randn(2, 12, *fine))


@pytest.mark.parametrize(
    'layer', [BlurPool(8), LiftDownPool(8), ShallowImageGuide(8, 8, 8)], ids=lambda layer: type(layer).__name__
)
def test_repeated_borders(layer):
    """What torch's own replicate padding fails at, in the backward pass."""
    check(layer, torch.compile(copy.deepcopy(layer), fullgraph=True), torch.randn(2, 8, 17, 14))
