"""All layers under autocast: nothing overflows that plain torch does not, nor is more lost than twice what it loses.

The fusions alone are in `test_layers_fusions.py`, the operators in `test_ops_*.py`.
"""

import copy

import pytest
import torch

from freqfusion_mm.layers import EESP, ESP, UPSAMPLERS, GuidedFilter, LiftDownPool, LiftUpPool, build_fusion
from freqfusion_mm.layers.paired_difference import PairedDifferenceConv
from freqfusion_mm.ops import carafe, fns_attention

C = 16
CFGS = {name: dict(type=name) for name in UPSAMPLERS}
CFGS['carafe'].update(compressed_channels=8)
CFGS['FreqFusion'].update(compressed_channels=8)
CFGS['ReSFU'].update(compressed_channels=8, mid_channels=16, norm_groups=4)
DTYPES = [torch.bfloat16, torch.float16]


class Lifted(torch.nn.Module):

    def __init__(self):
        super().__init__()
        self.pool = LiftDownPool(C)
        self.unpool = LiftUpPool(C, tied=self.pool)

    def forward(self, feat):
        pooled, bands = self.pool.split(feat)
        return pooled, self.unpool(pooled, bands)


def layers():
    """name -> a function that makes the layer, and the sizes of its maps."""
    made = {name: (lambda cfg=cfg: build_fusion(cfg, C, C), ((4, 5), (8, 10))) for name, cfg in CFGS.items()}
    made['guided filter'] = (lambda: GuidedFilter(), ((9, 10), (9, 10)))
    made['paired difference'] = (lambda: PairedDifferenceConv(C, 8, groups=4), ((9, 10), (9, 10)))
    made['lift'] = (Lifted, ((9, 10), ))
    made['ESP'] = (lambda: ESP(C, C), ((9, 10), ))
    made['EESP'] = (lambda: EESP(C, C), ((9, 10), ))
    return made


LAYERS = layers()


def run(layer, name, feats):
    feats = [feat.clone().requires_grad_() for feat in feats]
    args = (*feats, (2, 2)) if name == 'paired difference' else feats
    outs = layer(*args)
    outs = [outs] if torch.is_tensor(outs) else list(outs)
    sum(out.float().mean() for out in outs).backward()
    grads = [tensor.grad for tensor in (*feats, *layer.parameters()) if tensor.grad is not None]
    return outs, grads


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('name', LAYERS)
def test_extreme_maps_stay_finite_where_plain_torch_does(name, dtype, monkeypatch):
    if dtype == torch.float16 and not hasattr(torch.amp, 'is_autocast_available'):
        pytest.skip('this torch has no float16 autocast on the CPU')
    make, sizes = LAYERS[name]
    tiny = [(1, 1)] * len(sizes)
    cases = {'zeros': (0., 0., sizes), 'constant': (1., 0., sizes), 'large and constant': (1e4, 0., sizes),
             'faint': (0., 1e-6, sizes), 'large and rough': (0., 1e4 if dtype == torch.bfloat16 else 1e3, sizes),
             'one pixel': (1., 1., tiny)}
    if name in ('ESP', 'EESP'):
        cases['one pixel'] = (1., 1., [(2, 1)])  # batch normalisation needs two values
    for case, (level, spread, used) in cases.items():
        torch.manual_seed(0)
        feats = [(level + spread * torch.randn(2, C, *size)).to(dtype) for size in used]
        layer = make()
        with torch.autocast('cpu', dtype=dtype):
            ours = [tensor for tensors in run(layer, name, feats) for tensor in tensors]
            if all(torch.isfinite(tensor).all() for tensor in ours):
                continue
            layer.zero_grad()
            use_plain_operators(monkeypatch)  # a convolution's own gradient may overflow in float16
            plain = [tensor for tensors in run(layer, name, feats) for tensor in tensors]
            monkeypatch.undo()
        for actual, expected in zip(ours, plain):
            finite = torch.isfinite(expected)
            assert torch.isfinite(actual[finite]).all(), f'{case}: {tuple(actual.shape)}'


def plain_carafe(features, masks, kernel_size, group_size=1, scale_factor=None, *, padding='zeros', impl='auto'):
    return carafe(features, masks, kernel_size, group_size, scale_factor, padding=padding, impl='reference')


def plain_attention(attn, value, kernel_size, *, impl='auto'):
    return fns_attention(attn.to(value.dtype), value, kernel_size, impl='reference')


def use_plain_operators(patch):
    for module in ('freqfusion', 'fixed_ratio'):
        patch.setattr(f'freqfusion_mm.layers.{module}.carafe', plain_carafe)
    patch.setattr('freqfusion_mm.layers.resfu.fns_attention', plain_attention)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('name', ['carafe', 'FreqFusion', 'ReSFU'])
def test_error_is_at_most_twice_that_of_plain_operators(name, dtype, monkeypatch):
    if dtype == torch.float16 and not hasattr(torch.amp, 'is_autocast_available'):
        pytest.skip('this torch has no float16 autocast on the CPU')
    make, sizes = LAYERS[name]
    layer = make()
    feats = [torch.randn(2, C, *size).to(dtype) for size in sizes]

    def outputs_and_gradients(layer, feats):
        feats = [feat.clone().requires_grad_() for feat in feats]
        outs = layer(*feats)
        return *outs, *torch.autograd.grad(sum(out.float().square().mean() for out in outs), feats)

    exact = outputs_and_gradients(copy.deepcopy(layer).double(), [feat.double() for feat in feats])
    with torch.autocast('cpu', dtype=dtype):
        ours = outputs_and_gradients(layer, feats)
        with monkeypatch.context() as patch:
            use_plain_operators(patch)
            plain = outputs_and_gradients(layer, feats)
    for ours_one, plain_one, exact_one in zip(ours, plain, exact):
        error, allowed = ((result.double() - exact_one).square().mean().sqrt() for result in (ours_one, plain_one))
        assert error <= 2 * allowed + 1e-12, f'error {error:.2e}, plain torch {allowed:.2e}'
