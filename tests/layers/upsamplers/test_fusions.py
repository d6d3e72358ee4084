"""One tester for every fusion that `upsample_cfg` can name."""

import copy

import pytest
import torch

from freqfusion_mm.layers import UPSAMPLERS, build_fusion

LR, HR = 16, 12
CFGS = {name: dict(type=name) for name in UPSAMPLERS}
CFGS['carafe'].update(compressed_channels=8)
CFGS['FADE'].update(compressed_channels=8, gated=False)
CFGS['SAPA'].update(embedding_channels=8)
CFGS['FreqFusion'].update(compressed_channels=16)
CFGS['ReSFU'].update(compressed_channels=8, mid_channels=16, norm_groups=4)
SIZES = [
    ((6, 8), (12, 16)),
    ((13, 14), (27, 27)),
    ((12, 17), (23, 33)),
    ((5, 6), (5, 6)),
    ((3, 4), (12, 16)),
    ((2, 3), (16, 24)),
    ((1, 1), (1, 1)),
    ((1, 1), (2, 3)),
    ((3, 3), (5, 24)),
]

needs_tracer = pytest.mark.skipif(
    not hasattr(torch.compiler, 'is_compiling'), reason='the tracer of torch 2.1 and 2.2 does not know dtype promotion'
)


@pytest.fixture(params=CFGS)
def cfg(request):
    return CFGS[request.param]


def maps(size=(6, 8), fine=(12, 16), batch=2, **kwargs):
    return torch.randn(batch, LR, *size, **kwargs), torch.randn(batch, HR, *fine, **kwargs)


@pytest.mark.parametrize('size, fine', SIZES)
def test_any_size(cfg, size, fine):
    lr_feat, hr_feat = maps(size, fine)
    lr_up, hr_out = build_fusion(cfg, LR, HR)(lr_feat, hr_feat)
    assert lr_up.shape == (2, LR, *fine) and hr_out.shape == hr_feat.shape
    assert torch.isfinite(lr_up).all() and torch.isfinite(hr_out).all()


def test_every_parameter_and_input_gets_a_gradient(cfg):
    fusion = build_fusion(cfg, LR, HR)
    lr_feat, hr_feat = (t.requires_grad_() for t in maps())
    lr_up, hr_out = fusion(lr_feat, hr_feat)
    (lr_up.square().mean() + hr_out.square().mean()).backward()
    for name, tensor in [*fusion.named_parameters(), ('lr_feat', lr_feat), ('hr_feat', hr_feat)]:
        assert tensor.grad is not None and tensor.grad.abs().sum() > 0, name


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('value', [None, 0.0, 1e4])
def test_autocast_keeps_the_dtype_and_stays_finite(cfg, dtype, value):
    if dtype == torch.float16 and not hasattr(torch.amp, 'is_autocast_available'):
        pytest.skip('this torch has no float16 autocast on the CPU')
    lr_feat, hr_feat = (t.to(dtype) if value is None else torch.full_like(t, value).to(dtype) for t in maps())
    lr_feat.requires_grad_(), hr_feat.requires_grad_()
    with torch.autocast('cpu', dtype=dtype):
        outs = build_fusion(cfg, LR, HR)(lr_feat, hr_feat)
    sum(out.float().mean() for out in outs).backward()
    for tensor in (*outs, lr_feat.grad, hr_feat.grad):
        assert tensor.dtype == dtype and torch.isfinite(tensor).all()


def test_state_dict_round_trip(cfg):
    first, second = build_fusion(cfg, LR, HR), build_fusion(cfg, LR, HR)
    second.load_state_dict(first.state_dict())
    for a, b in zip(first(*maps_once()), second(*maps_once())):
        assert torch.equal(a, b)


def maps_once():
    torch.manual_seed(1)
    return maps()


def test_samples_do_not_see_each_other(cfg, assert_same):
    fusion = build_fusion(cfg, LR, HR)
    if cfg['type'] == 'IndexNet':
        fusion.eval()  # its BatchNorm mixes them in training
    lr_feat, hr_feat = maps()
    for whole, alone in zip(fusion(lr_feat, hr_feat), fusion(lr_feat[1:], hr_feat[1:])):
        assert_same(whole[1:], alone)


@pytest.mark.slow
@needs_tracer
def test_compiles_without_a_graph_break(cfg, assert_same):
    torch._dynamo.reset()  # all upsamplers share the code of one adapter, which is compiled eight times at most
    fusion = build_fusion(cfg, LR, HR)
    compiled = torch.compile(copy.deepcopy(fusion), fullgraph=True, dynamic=False, backend='aot_eager')
    pair = maps((4, 5), (7, 9), batch=1)
    for actual, expected in zip(compiled(*pair), fusion(*pair)):
        assert_same(actual, expected)


@needs_tracer
def test_exports(cfg, assert_same):
    fusion, pair = build_fusion(cfg, LR, HR).eval(), maps(batch=1)
    exported = torch.export.export(fusion, pair).module()
    for actual, expected in zip(exported(*pair), fusion(*pair)):
        assert_same(actual, expected)


@pytest.mark.parametrize('name', sorted(set(CFGS) - {'nearest', 'bilinear', 'bicubic'}))
def test_bad_channels(name):
    fusion = build_fusion(CFGS[name], LR, HR)
    with pytest.raises(ValueError, match=r'lr_feat must .*16'):
        fusion(torch.zeros(1, LR + 1, 3, 3), torch.zeros(1, HR, 6, 6))
    with pytest.raises(ValueError, match='lr_feat must be a non-empty map'):
        fusion(torch.zeros(LR, 3, 3), torch.zeros(1, HR, 6, 6))


@pytest.mark.parametrize(
    'cfg, error, message',
    [
        (dict(type='bilinaer'), ValueError, "unknown upsampler type 'bilinaer': choose one of nearest, bilinear"),
        (
            dict(type='FreqFusion', lowpas_kernel=3),
            TypeError,
            'FreqFusion has no option lowpas_kernel: it takes lowpass_',
        ),
        (dict(mode='nearest'), TypeError, "upsample_cfg must be a dict with a 'type'"),
        ('bilinear', TypeError, "upsample_cfg must be a dict with a 'type'"),
    ],
)
def test_bad_cfg(cfg, error, message):
    with pytest.raises(error, match=message):
        build_fusion(cfg, LR, HR)
