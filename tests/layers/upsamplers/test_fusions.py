"""One tester for every fusion that `upsample_cfg` can name."""

import copy

import pytest
import torch
from marks import needs_tracer
from small_upsamplers import CFGS

from freqfusion_mm.layers import build_fusion

LR, HR = 16, 12
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


@pytest.mark.parametrize('training', [True, False])
def test_a_batch_of_none(cfg, training):
    """No proposals, no crops: empty maps, and a gradient for every weight, which DistributedDataParallel waits for."""
    fusion = build_fusion(cfg, LR, HR).train(training)
    buffers = {name: buffer.clone() for name, buffer in fusion.named_buffers()}
    for size, fine in (((6, 8), (12, 16)), ((3, 4), (13, 15))):
        fusion.zero_grad()
        lr_feat, hr_feat = (t.requires_grad_() for t in maps(size, fine, batch=0))
        lr_up, hr_out = fusion(lr_feat, hr_feat)
        assert lr_up.shape == (0, LR, *fine) and hr_out.shape == hr_feat.shape
        (lr_up.sum() + hr_out.sum()).backward()
        for name, tensor in [*fusion.named_parameters(), ('lr_feat', lr_feat)]:
            assert tensor.grad is not None and not tensor.grad.any(), name
    for name, buffer in fusion.named_buffers():
        if 'num_batches_tracked' not in name:
            assert torch.equal(buffer, buffers[name]), name


def test_maps_without_values_have_their_sizes(cfg):
    """On torch's 'meta' device, where whole models are built and counted without memory."""
    fusion = build_fusion(cfg, LR, HR).to('meta')
    lr_up, hr_out = fusion(*(tensor.to('meta') for tensor in maps((3, 4), (6, 8))))
    assert lr_up.is_meta and lr_up.shape[1:] == (LR, 6, 8) and hr_out.shape[1:] == (HR, 6, 8)


@pytest.mark.parametrize('memory_format', [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize('fine', [(10, 12), (11, 13), (23, 40)])
def test_the_memory_format_is_kept(cfg, memory_format, fine, assert_same):
    fusion = build_fusion(cfg, LR, HR).eval()
    pair = [t.contiguous(memory_format=memory_format) for t in maps((5, 6), fine)]
    outs = fusion(*pair)
    assert all(out.is_contiguous(memory_format=memory_format) for out in outs)
    for out, expected in zip(outs, fusion(*(t.contiguous() for t in pair))):
        assert_same(out, expected)


def test_one_pixel_and_one_channel_in_training(cfg):
    if cfg['type'] == 'FreqFusion':
        cfg = dict(cfg, compressed_channels=1)
    if cfg['type'] == 'IndexNet':
        cfg = dict(cfg, norm_cfg=dict(type='GN'))  # torch's BatchNorm refuses a single value
    fusion = build_fusion(cfg, LR, HR).train()
    outs = fusion(*maps((1, 1), (1, 1), batch=1))
    assert all(torch.isfinite(out).all() for out in outs)


@pytest.mark.parametrize('name', sorted(set(CFGS) - {'nearest', 'bilinear', 'bicubic'}))
def test_mixed_dtypes_are_named(name):
    fusion = build_fusion(CFGS[name], LR, HR)
    lr_feat, hr_feat = maps()
    with pytest.raises(TypeError, match='wants maps and weights of one dtype, got torch.float16 for lr_feat'):
        fusion(lr_feat.half(), hr_feat)
    if fusion.guided:
        with pytest.raises(TypeError, match='torch.float64 for hr_feat'):
            fusion(lr_feat, hr_feat.double())
        with torch.autocast('cpu', torch.bfloat16):
            assert fusion(lr_feat.bfloat16(), hr_feat)[0].dtype == torch.bfloat16
    else:
        assert torch.equal(fusion(lr_feat, hr_feat.double())[0], fusion(lr_feat, hr_feat)[0])


def test_repr_shows_channels_and_options(cfg):
    shown = repr(build_fusion(cfg, LR, HR))
    for name, value in cfg.items():
        assert name == 'type' or f'{name}={value!r}' in shown
    if cfg['type'] not in ('nearest', 'bilinear', 'bicubic'):
        assert f'lr_channels={LR}' in shown


def test_narrow_maps_build_by_default(cfg):
    for lr_channels, hr_channels in ((3, 4), (18, 36), (1, 1)):
        fusion = build_fusion(cfg['type'], lr_channels, hr_channels).eval()
        lr_up, _ = fusion(torch.randn(1, lr_channels, 3, 4), torch.randn(1, hr_channels, 6, 7))
        assert lr_up.shape == (1, lr_channels, 6, 7)


def test_the_transforms_of_torch_func(cfg, assert_same):
    """Gradients by function, maps over a further dimension, and gradients of each sample apart."""
    fusion = build_fusion(cfg, LR, HR).eval()
    parameters = dict(fusion.named_parameters())
    lr_feat, hr_feat = torch.randn(3, 2, LR, 4, 5), torch.randn(3, 2, HR, 9, 10)

    def loss(parameters, lr_feat, hr_feat):
        lr_up, hr_out = torch.func.functional_call(fusion, parameters, (lr_feat, hr_feat))
        return lr_up.square().mean() + hr_out.square().mean()

    together = torch.vmap(fusion)(lr_feat, hr_feat)
    apart = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, lr_feat, hr_feat)
    for i in range(3):
        for actual, expected in zip(together, fusion(lr_feat[i], hr_feat[i])):
            assert_same(actual[i], expected)
        by_function = torch.func.grad(loss, argnums=(0, 1))(parameters, lr_feat[i], hr_feat[i])
        leaf = lr_feat[i].clone().requires_grad_()
        wanted = torch.autograd.grad(loss(parameters, leaf, hr_feat[i]), [*parameters.values(), leaf])
        for (name, actual), expected in zip([*by_function[0].items(), ('lr_feat', by_function[1])], wanted):
            assert_same(actual, expected, name)
        for (name, actual), expected in zip(apart.items(), wanted):
            assert_same(actual[i], expected, name)
