"""What `inside` says of a layer is what its forward pass does."""

import pytest
import torch
import torch.nn.functional as F

from freqfusion_mm.layers import UPSAMPLERS, GuidedUpsampler, Inside, UpsamplerFusion, build_fusion, build_upsampler
from freqfusion_mm.layers.upsamplers.point_sampling import sample_with_offsets
from freqfusion_mm.ops import carafe, fns_attention, resize_nearest

CHANNELS = 8
WINDOWS = [
    dict(type='carafe', groups=2),
    dict(type='SAPA'),
    dict(type='SAPA', gated=True),
    dict(type='FADE'),
    dict(type='FADE', gated=False),
    dict(type='A2U'),
]
FREQFUSIONS = [
    dict(),
    dict(groups=2, hamming_window=False),
    dict(initial_fusion=False),
    dict(semi_conv=False),
    dict(resample=False),
    dict(highpass_residual=False, highpass_kernel=5),
]
SIZES = [((5, 7), (10, 14)), ((5, 7), (11, 13)), ((3, 4), (13, 15))]


def maps(coarse, fine):
    return torch.randn(2, CHANNELS, *coarse), torch.randn(2, CHANNELS, *fine)


def layer(cfg):
    """Its weights larger than at the start, so that it decides something."""
    fusion = build_fusion(cfg, CHANNELS, CHANNELS).eval()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return fusion


def last_step(fusion, lr_feat, hr_feat):
    """The coarse map of the last step."""
    from freqfusion_mm.layers.protocol import step_guides, step_sizes

    upsampler = getattr(fusion, 'upsampler', fusion)
    if hasattr(upsampler, 'upsample_to'):
        for size in step_sizes(lr_feat.shape[-2:], hr_feat.shape[-2:], upsampler.scale_factor)[:-1]:
            lr_feat = upsampler.upsample_to(lr_feat, size)
    elif hasattr(upsampler, 'fuse_step'):
        for guide in list(step_guides(lr_feat, hr_feat))[:-1]:
            lr_feat = upsampler.fuse_step(lr_feat, guide)[0]
    else:
        for guide in list(step_guides(lr_feat, hr_feat))[:-1]:
            lr_feat = upsampler.step(lr_feat, guide)
    return lr_feat


@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('cfg', WINDOWS, ids=str)
@torch.no_grad()
def test_windows(cfg, coarse, fine, assert_same):
    lr_feat, hr_feat = maps(coarse, fine)
    fusion = layer(cfg)
    inside = fusion.inside(lr_feat, hr_feat)
    before = last_step(fusion, lr_feat, hr_feat)
    assert inside.coarse == tuple(before.shape[-2:])
    groups, k = inside.kernels.shape[1:3]
    expected = carafe(before, inside.kernels.flatten(1, 3), k, groups)
    if inside.gate is not None:
        expected = inside.gate * hr_feat + (1 - inside.gate) * expected
    assert_same(fusion(lr_feat, hr_feat)[0], expected)
    softmax = inside.logits.flatten(2, 3).softmax(dim=2).unflatten(2, (k, k))
    assert_same(softmax, inside.kernels)


@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('options', FREQFUSIONS, ids=str)
@torch.no_grad()
def test_freqfusion(options, coarse, fine, assert_same):
    lr_feat, hr_feat = maps(coarse, fine)
    fusion = layer(dict(type='FreqFusion', **options))
    inside = fusion.inside(lr_feat, hr_feat)
    before = last_step(fusion, lr_feat, hr_feat)
    if not fusion.semi_conv:
        before = F.interpolate(before, fine, mode='nearest')
    assert inside.coarse == tuple(before.shape[-2:])
    assert_same(inside.kernels.sum(dim=(2, 3)), torch.ones(2, fusion.groups, *fine))
    expected = carafe(before, inside.kernels.flatten(1, 3), fusion.lowpass_kernel, fusion.groups)
    if fusion.resample:
        expected = sample_with_offsets(expected, inside.offsets, inside.coarse)
    assert_same(inside.highpass.sum(dim=(2, 3)), torch.zeros(2, fusion.groups, *fine))
    details = carafe(hr_feat, inside.highpass.flatten(1, 3), fusion.highpass_kernel, fusion.groups)
    lr_up, sharpened = fusion(lr_feat, hr_feat)
    assert_same(lr_up, expected)
    assert_same(sharpened, hr_feat + details if fusion.highpass_residual else details)


@torch.no_grad()
def test_freqfusion_without_highpass():
    inside = layer(dict(type='FreqFusion', highpass=False)).inside(*maps((5, 7), (10, 14)))
    assert inside.highpass is None and inside.kernels is not None


@pytest.mark.parametrize('coarse, fine', SIZES)
@torch.no_grad()
def test_resfu(coarse, fine, assert_same):
    lr_feat, hr_feat = maps(coarse, fine)
    fusion = layer('ReSFU')
    inside = fusion.inside(lr_feat, hr_feat)
    assert inside.around_place and inside.coarse == coarse
    assert_same(fusion(lr_feat, hr_feat)[0], fns_attention(inside.kernels.flatten(1, 3), lr_feat, 3))


@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('style', ['lp', 'pl'])
@torch.no_grad()
def test_dysample(style, coarse, fine, assert_same):
    lr_feat, hr_feat = maps(coarse, fine)
    fusion = layer(dict(type='DySample', style=style, groups=2))
    inside = fusion.inside(lr_feat, hr_feat)
    before = last_step(fusion, lr_feat, hr_feat)
    assert inside.kernels is None
    assert_same(fusion(lr_feat, hr_feat)[0], sample_with_offsets(before, inside.offsets, inside.coarse))


@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('index', ['holistic', 'o2o'])
@torch.no_grad()
def test_indexnet(index, coarse, fine, assert_same):
    lr_feat, hr_feat = maps(coarse, fine)
    fusion = layer(dict(type='IndexNet', index=index))
    inside = fusion.inside(lr_feat, hr_feat)
    before = last_step(fusion, lr_feat, hr_feat)
    assert_same(fusion(lr_feat, hr_feat)[0], resize_nearest(before, fine) * inside.factor)


def test_those_that_show_nothing():
    lr_feat, hr_feat = maps((5, 7), (10, 14))
    silent = {name for name in UPSAMPLERS if build_fusion(name, CHANNELS, CHANNELS).inside(lr_feat, hr_feat) is None}
    assert silent == {'nearest', 'bilinear', 'bicubic', 'deconv', 'pixel_shuffle', 'SAPA-D'}

    class Foreign(torch.nn.Module):
        def forward(self, lr_feat, hr_feat):
            return F.interpolate(lr_feat, hr_feat.shape[-2:])

    assert UpsamplerFusion(Foreign()).inside(lr_feat, hr_feat) is None


def test_plain_networks():
    inside = build_upsampler('carafe', CHANNELS, CHANNELS, out_channels=4).inside(torch.randn(1, CHANNELS, 4, 5))
    assert isinstance(inside, Inside) and inside.kernels.shape == (1, 1, 5, 5, 8, 10)


def test_a_class_of_upsample_alone_decides_nothing():
    class Mine(GuidedUpsampler):
        direct = True

        def upsample(self, lr_feat, hr_feat):
            return F.interpolate(lr_feat, hr_feat.shape[-2:])

    fusion = build_fusion(Mine, CHANNELS, CHANNELS)
    assert fusion.inside(torch.rand(1, CHANNELS, 2, 2), torch.rand(1, CHANNELS, 8, 8)) is None
