import copy
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from freqfusion_mm.layers import (
    GuidedFilter,
    PairedDifferenceConv,
    PairedDifferenceSimilarity,
    ReSFU,
    ShallowImageGuide,
    UpsamplerFusion,
    build_fusion,
)
from freqfusion_mm.layers.norms import GroupNorm
from freqfusion_mm.layers.upsamplers.paired_difference import normalized_conv

SMALL = dict(compressed_channels=8, mid_channels=16, norm_groups=4)
ROOT = Path(__file__).resolve().parents[3]


def our_name(key):
    """State-dict key of the authors in our names."""

    def rename(name, table):
        for theirs, ours in table.items():
            if name == theirs or name.startswith(theirs + '.'):
                return ours + name[len(theirs) :]
        return name

    first, _, rest = rename(key, ReSFU.reference_keys).partition('.')
    return f'{first}.{rename(rest, PairedDifferenceSimilarity.reference_keys) if first.endswith("_scores") else rest}'


@pytest.mark.parametrize('number', range(3))
def test_parity_with_the_authors_code(number, golden, assert_parity):
    case = golden('resfu')[number]
    layer = ReSFU.from_reference(**case['kwargs']).double()
    layer.load_state_dict(case['state_dict'])
    hr_feat, lr_feat = (case['inputs'][name].requires_grad_() for name in ('y', 'x'))
    out = layer(lr_feat, hr_feat)
    assert_parity(out, case['outputs'][0], 'out')
    out.backward(case['grad_outputs'][0])
    assert_parity(hr_feat.grad, case['grad_inputs']['y'], 'gradient of hr_feat')
    assert_parity(lr_feat.grad, case['grad_inputs']['x'], 'gradient of lr_feat')
    assert len(case['grad_params']) == len(list(layer.parameters()))
    for key, expected in case['grad_params'].items():
        assert_parity(layer.get_parameter(our_name(key)).grad, expected, f'gradient of {key}')


def test_from_reference_has_the_authors_defaults_and_takes_no_typo():
    layer = ReSFU.from_reference(dim_y=64)
    assert (layer.lr_channels, layer.hr_channels, layer.scale_factor) == (64, 64, (4, 4))
    with pytest.raises(TypeError, match='embeding_dim'):
        ReSFU.from_reference(dim_y=64, embeding_dim=32)


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(kernel_size=5),
        dict(scale_factor=2),
        dict(scale_factor=(3, 1)),
        dict(groups=2),
        dict(bias=False),
        dict(lr_norm=False, hr_norm=False),
        dict(compress_hr=False),
        dict(radius=0),
        dict(subsample=1),
        dict(subsample=5),
        dict(lr_mult=500.0),
        dict(with_cp=True),
        dict(with_cp=True, lr_mult=3.0),
    ],
)
@pytest.mark.parametrize('size, fine', [((6, 8), (12, 16)), ((5, 4), (11, 7)), ((1, 2), (16, 35))])
def test_every_option_at_any_size(options, size, fine):
    layer = ReSFU(16, 8, **{**SMALL, **options})
    lr_feat, hr_feat = torch.randn(2, 16, *size, requires_grad=True), torch.randn(2, 8, *fine, requires_grad=True)
    out = layer(lr_feat, hr_feat)
    out.square().mean().backward()
    assert out.shape == (2, 16, *fine)
    assert all(torch.isfinite(t.grad).all() for t in (lr_feat, hr_feat, *layer.parameters()))


def test_dilation_follows_the_ratio_of_the_sizes():
    layer = ReSFU(16, 8, **SMALL)
    for size, fine, dilation in [
        ((6, 8), (12, 16), 2),
        ((6, 8), (48, 64), 8),
        ((7, 7), (27, 27), 4),
        ((3, 8), (12, 16), (4, 2)),
        ((4, 4), (5, 5), 1),
    ]:
        fixed = ReSFU(16, 8, scale_factor=dilation, **SMALL)
        fixed.load_state_dict(layer.state_dict())
        pair = torch.randn(1, 16, *size), torch.randn(1, 8, *fine)
        assert torch.equal(layer(*pair), fixed(*pair))
    released = ReSFU(16, 8, scale_factor=2, **SMALL)
    released.load_state_dict(layer.state_dict())
    pair = torch.randn(1, 16, 3, 4), torch.randn(1, 8, 24, 32)
    assert not torch.allclose(layer(*pair), released(*pair))


@pytest.mark.parametrize('kind', [dict(), dict(scale_factor=2)])
def test_weights_sum_to_one_and_reach_no_neighbour_outside(kind, assert_same):
    layer = ReSFU(16, 8, **kind, **SMALL).double()
    lr_feat, hr_feat = torch.randn(2, 16, 4, 5, dtype=torch.float64), torch.randn(2, 8, 32, 40, dtype=torch.float64)
    attn = layer.attention(lr_feat, hr_feat).unflatten(1, (3, 3))
    assert_same(attn.sum(dim=(1, 2)), torch.ones(2, 32, 40, dtype=torch.float64))
    distance = 2 if kind else 8
    assert not attn[:, 0, :, :distance].any() and not attn[:, :, 2, :, -distance:].any()
    assert (attn[:, 0, :, distance:, distance:-distance] > 0).all()
    constant = torch.full_like(lr_feat, 3.0)
    assert_same(layer(constant, hr_feat), torch.full((2, 16, 32, 40), 3.0, dtype=torch.float64))


def test_lr_mult_scales_the_gradients_of_the_similarities_alone(assert_same):
    plain = ReSFU(16, 8, **SMALL).double()
    scaled = ReSFU(16, 8, lr_mult=500.0, **SMALL).double()
    scaled.load_state_dict(plain.state_dict())
    scaled = copy.deepcopy(scaled)
    pair = torch.randn(1, 16, 4, 5, dtype=torch.float64), torch.randn(1, 8, 16, 20, dtype=torch.float64)
    outs = [layer(*pair) for layer in (plain, scaled)]
    assert torch.equal(*outs)
    for out in outs:
        out.square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), scaled.parameters()):
        assert_same(b.grad / (500 if '_scores' in name else 1), a.grad, name)


def test_without_a_guide_the_message_names_the_remedy():
    with pytest.raises(ValueError, match='ReSFU is guided and needs hr_feat'):
        ReSFU(16, 8, **SMALL)(torch.zeros(1, 16, 4, 4))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(compress_hr=False, compressed_channels=16), 'needs compressed_channels=16 channels, got hr_channels=8'),
        (dict(scale_factor=0), 'scale_factor must be None'),
        (dict(scale_factor=2.5), 'scale_factor must be None'),
        (dict(scale_factor=(2, 2.5)), 'scale_factor must be None'),
        (dict(scale_factor=(2, 2, 2)), 'scale_factor must be None'),
        (dict(kernel_size=4), 'kernel_size must be odd'),
        (dict(groups=3), 'groups must divide compressed_channels=8'),
        (dict(norm_groups=3), 'norm_groups must divide compressed_channels=8'),
        (dict(radius=-1), 'radius and eps must not be negative'),
    ],
)
def test_bad_options(change, message):
    with pytest.raises(ValueError, match=message):
        ReSFU(16, 8, **{**SMALL, **change})


PEAK = """
import re, sys, torch
from pathlib import Path
from freqfusion_mm.layers import build_fusion

def peak():  # of this process alone: what getrusage says begins with the parent's
    return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) * 1024

train = sys.argv[1] == 'train'
before = peak()
fusion = build_fusion(dict(type='ReSFU', with_cp=train), lr_channels=256, hr_channels=64)
lr_feat, hr_feat = torch.rand(1, 256, 32, 32), torch.rand(1, 64, 512, 512)
with torch.set_grad_enabled(train):
    lr_up, _ = fusion(lr_feat, hr_feat)
    if train:
        lr_up.mean().backward()
assert lr_up.shape == (1, 256, 512, 512) and lr_up.isfinite().all()
print(before, peak())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='the peak of a process is read in the units of Linux')
@pytest.mark.parametrize('mode', ['infer', 'train'])
def test_sixteen_fold_stays_below_two_gigabytes(mode):
    """Inference with all that torch itself takes, 0.2 GiB; training, which is just as near to the limit, without."""
    before, peak = map(
        int,
        subprocess.run(
            [sys.executable, '-c', PEAK, mode], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split(),
    )
    assert peak - before * (mode == 'train') < 2 * 2**30


# ---------------------------------------------------------------- guided filter


def filter_by_windows(guide, target, radius, eps):
    """One channel, window by window, by least squares."""
    height, width = guide.shape

    def window(y, x):
        return slice(max(y - radius, 0), y + radius + 1), slice(max(x - radius, 0), x + radius + 1)

    slope, intercept = torch.zeros_like(guide), torch.zeros_like(guide)
    for y, x in itertools.product(range(height), range(width)):
        g, t = guide[window(y, x)], target[window(y, x)]
        slope[y, x] = ((g - g.mean()) * (t - t.mean())).mean() / (g.var(unbiased=False) + eps)
        intercept[y, x] = t.mean() - slope[y, x] * g.mean()
    out = torch.zeros_like(guide)
    for y, x in itertools.product(range(height), range(width)):
        out[y, x] = slope[window(y, x)].mean() * guide[y, x] + intercept[window(y, x)].mean()
    return out


@pytest.mark.parametrize('size', [(6, 7), (1, 5), (3, 1)])
@pytest.mark.parametrize('radius', [0, 1, 2, 9])
def test_guided_filter_equals_the_fit_in_every_window(size, radius, assert_same):
    guide, target = torch.randn(2, 1, 1, *size, dtype=torch.float64)
    out = GuidedFilter(radius, eps=0.1, subsample=1)(guide, target)
    assert_same(out[0, 0], filter_by_windows(guide[0, 0], target[0, 0], radius, 0.1))


def test_guided_filter_returns_a_linear_image_of_the_guide(assert_same):
    guide = torch.randn(1, 2, 9, 12, dtype=torch.float64)
    assert_same(GuidedFilter(2, eps=0, subsample=1)(guide, 3 * guide - 7), 3 * guide - 7)


@pytest.mark.parametrize('size, subsample', [((9, 11), 2), ((11, 7), 4)])
def test_guided_filter_fits_the_first_pixels_of_whole_squares(size, subsample, assert_same):
    """`H // s` of them, as the original: what is left over at the end of an odd map has no part in the model."""
    guide, target = torch.randn(2, 1, 2, *size, dtype=torch.float64)
    read = torch.zeros(size, dtype=torch.bool)
    read[: size[0] // subsample * subsample : subsample, : size[1] // subsample * subsample : subsample] = True
    smooth = GuidedFilter(4, eps=0.1, subsample=subsample)
    others = torch.where(read, target, torch.randn_like(target))
    assert_same(smooth(guide, others), smooth(guide, target))
    assert not torch.allclose(smooth(guide, torch.where(read, -target, target)), smooth(guide, target))


def test_guided_filter_without_regularisation_of_a_flat_guide():
    """Half of the windows hold one value alone: nothing is a slope there."""
    guide = torch.ones(1, 1, 6, 12, dtype=torch.float64)
    guide[..., 8:] = torch.randn(6, 4)
    guide.requires_grad_()
    out = GuidedFilter(1, eps=0, subsample=1)(guide, torch.full_like(guide, 5.0))
    assert (out - 5).abs().max() < 1e-12
    assert torch.isfinite(torch.autograd.grad(out.square().sum(), guide)[0]).all()


@pytest.mark.parametrize('subsample', [1, 2, 4])
def test_guided_filter_derivative(subsample):
    pair = [torch.randn(1, 1, 5, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(GuidedFilter(4, eps=0.1, subsample=subsample), pair)


def test_guided_filter_of_flat_and_far_values_in_float32():
    guide = torch.rand(1, 2, 64, 64)
    smooth = GuidedFilter(4, eps=1e-3, subsample=1)
    far = smooth(guide + 1000, guide - 5000).double()
    near = smooth.double()(guide.double(), guide.double())
    assert (far - (near - 5000)).abs().max() < 5e-3  # the rounding of 5000 itself is 5e-4
    flat = GuidedFilter(4)(
        torch.full((1, 1, 9, 9), 1e4, dtype=torch.bfloat16), torch.ones(1, 1, 9, 9, dtype=torch.bfloat16)
    )
    assert flat.dtype == torch.bfloat16 and (flat == 1).all()


def test_guided_filter_bad_input():
    with pytest.raises(ValueError, match='of one shape, got'):
        GuidedFilter()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))


# ---------------------------------------------------------------- paired difference, image guide


def test_paired_difference_equals_the_literal_loop(assert_same):
    conv = PairedDifferenceConv(4, 6, groups=2).double()
    torch.nn.init.normal_(conv.bias)
    key, query = torch.randn(2, 1, 4, 5, 6, dtype=torch.float64)
    expected = conv.bias.expand(1, 6, 5, 6).clone()
    for o, c, y, x, i, j in itertools.product(range(6), range(2), range(5), range(6), range(3), range(3)):
        source = o // 3 * 2 + c
        row, col = min(max(y + 3 * (i - 1), 0), 4), min(max(x + 2 * (j - 1), 0), 5)
        expected[0, o, y, x] += conv.weight[o, c, i, j] * (key[0, source, row, col] - query[0, source, y, x])
    assert_same(conv(key, query, dilation=(3, 2)), expected)


def test_paired_difference_of_equal_constants_is_the_bias(assert_same):
    conv = PairedDifferenceConv(4, 6)
    torch.nn.init.normal_(conv.bias)
    constant = torch.full((1, 4, 5, 6), 2.0)
    assert_same(conv(constant, constant, dilation=(2, 2)), conv.bias.expand(1, 6, 5, 6))


def test_image_guide(assert_same):
    guide = ShallowImageGuide(mid_channels=8, out_channels=4, strides=(2, 1))
    image = torch.rand(1, 3, 33, 20)
    assert guide(image).shape == (1, 4, 17, 10)
    flat = guide(torch.full((1, 3, 16, 16), 0.3))  # the border is repeated: a flat image stays flat
    assert_same(flat, flat[..., :1, :1].expand_as(flat))
    with pytest.raises(ValueError, match='strides must be two positive'):
        ShallowImageGuide(strides=(2, 2, 2))
    assert isinstance(guide[1], GroupNorm)  # torch's own ends the process behind a frozen convolution in channels last


def test_is_a_fusion_and_direct():
    fusion = build_fusion(dict(type='ReSFU', **SMALL), lr_channels=16, hr_channels=8)
    assert isinstance(fusion, UpsamplerFusion) and fusion.direct and fusion.resample_groups == 1


def test_a_norm_and_its_convolution_keep_their_input_alone(assert_same):
    norm, conv = torch.nn.GroupNorm(4, 8).double(), torch.nn.Conv2d(8, 3, 1).double()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64, requires_grad=True)
    tensors = [x, *norm.parameters(), *conv.parameters()]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        actual = normalized_conv(norm, conv, x)
    assert kept.count(x.shape) <= 1
    expected = conv(norm(x))
    assert_same(actual, expected)
    grad = torch.randn_like(expected)
    for ours, wanted in zip(*(torch.autograd.grad(out, tensors, grad) for out in (actual, expected))):
        assert_same(ours, wanted)


def test_another_rate_of_the_scores_under_torch_func():
    layer, usual = (ReSFU(8, 8, compressed_channels=8, lr_mult=lr_mult).double() for lr_mult in (0.1, 1.0))
    usual.load_state_dict(layer.state_dict())
    feats, guide = torch.rand(2, 1, 8, 3, 4, dtype=torch.float64), torch.rand(1, 8, 6, 8, dtype=torch.float64)
    found, expected = (torch.vmap(lambda feat, each=each: each(feat, guide))(feats) for each in (layer, usual))
    torch.testing.assert_close(found, expected)
    found, expected = (
        torch.func.grad(
            lambda weights, each=each: torch.func.functional_call(each, weights, (feats[0], guide)).square().sum()
        )(dict(each.named_parameters()))
        for each in (layer, usual)
    )
    scores = {name for name in expected if '_scores' in name}
    assert scores
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], 0.1 * grad if name in scores else grad)


def test_weights_that_are_there_for_one_call_alone_get_their_gradients():
    layer, other = (ReSFU(8, 8, compressed_channels=8).double() for _ in range(2))
    weights = {name: weight.detach().requires_grad_() for name, weight in other.named_parameters()}
    maps = torch.rand(1, 8, 3, 4, dtype=torch.float64), torch.rand(1, 8, 6, 8, dtype=torch.float64)
    torch.func.functional_call(layer, weights, maps).square().sum().backward()
    other(*maps).square().sum().backward()
    for name, weight in other.named_parameters():
        torch.testing.assert_close(weights[name].grad, weight.grad)


def test_a_map_of_one_pixel():
    assert ReSFU(8, 8, compressed_channels=8)(torch.rand(1, 8, 1, 1), torch.rand(1, 8, 1, 1)).shape == (1, 8, 1, 1)
