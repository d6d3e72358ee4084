"""LiftPool: it inverts, it equals the wavelets it can stand for, it differentiates, and it takes any size."""

import copy

import pytest
import torch
from marks import needs_tracer
from torch.autograd import gradcheck

from freqfusion_mm.layers import (
    BlurPool,
    LiftDownPool,
    Lifting,
    LiftUpPool,
    SubBands,
    build_pool,
    build_unpool,
)

SIZES = [(8, 8), (7, 10), (33, 2), (1, 5), (1, 1)]
VARIANTS = ['depthwise', 'separable', 'dense', 'linear']


def lift_loop(signal, predict, update):
    """One lift of a list of numbers, filters as functions of a list and an index."""
    even, odd = signal[0::2], signal[1::2]
    odd = odd + even[-1:] if len(odd) < len(even) else odd
    detail = [odd[i] - predict(even, i) for i in range(len(even))]
    return [even[i] + update(detail, i) for i in range(len(even))], detail


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('dtype, bound', [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_inverts_for_any_weights(size, variant, dtype, bound):
    torch.manual_seed(0)
    pool = LiftDownPool(6, variant=variant).to(dtype)
    with torch.no_grad():
        for parameter in pool.parameters():
            parameter.uniform_(-0.3, 0.3)
    feat = torch.randn(2, 6, *size, dtype=dtype)
    _, bands = pool.split(feat)
    restored = LiftUpPool(6, tied=pool)(bands.ll, bands)
    assert bands.size == size and bands.ll.shape[-2:] == tuple(-(-side // 2) for side in size)
    # Rounding grows with the largest number on the way.
    scale = max(1.0, *(band.abs().max().item() for band in bands[:4]))
    assert (restored - feat).abs().max() <= bound * scale


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_inverts_half_precision_to_its_rounding(dtype):
    torch.manual_seed(0)
    pool = LiftDownPool(4)
    feat = torch.randn(1, 4, 9, 6).to(dtype)
    _, bands = pool.split(feat)
    restored = LiftUpPool(4, tied=pool)(bands.ll, bands)
    assert restored.dtype == bands.hh.dtype == dtype
    assert (restored.float() - feat.float()).abs().max() < 8 * torch.finfo(dtype).eps


def test_inverts_under_autocast_as_without():
    torch.manual_seed(0)
    pool, feat = LiftDownPool(4, variant='dense'), torch.randn(1, 4, 9, 6)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        _, bands = pool.split(feat)
        restored = LiftUpPool(4, tied=pool)(bands.ll, bands)
    assert (restored - feat).abs().max() < 1e-6


def test_channels_last_changes_nothing():
    torch.manual_seed(0)
    pool, feat = LiftDownPool(4), torch.randn(2, 4, 9, 6)
    torch.testing.assert_close(pool(feat.to(memory_format=torch.channels_last)), pool(feat))


def test_haar_is_pywavelets_haar():
    pywt = pytest.importorskip('pywt', reason='PyWavelets is not installed')
    feat = torch.randn(1, 2, 16, 12, dtype=torch.float64)
    pool = LiftDownPool(2, kernel_size=1, variant='linear', init='haar').double()
    bands = pool.split(feat)[1]
    approx, (horizontal, vertical, diagonal) = pywt.dwt2(feat.numpy(), 'haar')
    # Lifting keeps the mean where the orthonormal transform keeps the norm: per axis sqrt(2) and -1/sqrt(2).
    for band, factor, expected in (
        (bands.ll, 2, approx),
        (bands.lh, -1, horizontal),
        (bands.hl, -1, vertical),
        (bands.hh, 0.5, diagonal),
    ):
        torch.testing.assert_close(band.detach() * factor, torch.from_numpy(expected), atol=1e-12, rtol=0)


@pytest.mark.parametrize('kernel_size', [3, 5])
@pytest.mark.parametrize('size', [(16, 12), (4, 6)])
def test_legall_is_pywavelets_biorthogonal_2_2_with_its_border(kernel_size, size):
    pywt = pytest.importorskip('pywt', reason='PyWavelets is not installed')
    feat = torch.randn(1, 2, *size, dtype=torch.float64)
    bands = LiftDownPool(2, kernel_size=kernel_size, variant='linear', init='legall').double().split(feat)[1]
    approx, (horizontal, vertical, diagonal) = pywt.dwt2(feat.numpy(), 'bior2.2', mode='reflect')
    # PyWavelets hands out some more coefficients at either end: pixel 0 is its number 1.
    h, w = bands.ll.shape[-2:]
    for band, factor, expected in (
        (bands.ll, 2, approx),
        (bands.lh, -1, horizontal),
        (bands.hl, -1, vertical),
        (bands.hh, 0.5, diagonal),
    ):
        expected = torch.from_numpy(expected)[..., 1 : 1 + h, 1 : 1 + w]
        torch.testing.assert_close(band.detach() * factor, expected, atol=1e-12, rtol=0)


def test_ramp_has_the_bands_of_the_arithmetic():
    """A 4x4 ramp 1..16: means 3.5, 5.5, 11.5, 13.5; differences 1 along the width and 4 along the height."""
    bands = LiftDownPool(1, variant='linear', init='haar').split(torch.arange(1.0, 17).view(1, 1, 4, 4))[1]
    assert bands.ll.flatten().tolist() == [3.5, 5.5, 11.5, 13.5]
    assert bands.hl.flatten().tolist() == [1.0] * 4 and bands.lh.flatten().tolist() == [4.0] * 4
    assert bands.hh.flatten().tolist() == [0.0] * 4


def test_fixed_haar_low_is_average_pooling():
    feat = torch.randn(1, 3, 8, 6)
    torch.testing.assert_close(build_pool(dict(type='wavelet'), 3)(feat), build_pool(dict(type='average'), 3)(feat))


@pytest.mark.parametrize('length', [6, 7])
@pytest.mark.parametrize('border', ['replicate', 'zeros'])
def test_lift_is_the_literal_loop(length, border):
    torch.manual_seed(0)
    lifting = Lifting(1, kernel_size=3, variant='linear', border=border).double()

    def correlate(taps):
        def at(values, i):
            total = 0.0
            for j, tap in enumerate(taps):
                k = i + j - 1
                if border == 'replicate':
                    total += tap * values[min(max(k, 0), len(values) - 1)]
                elif 0 <= k < len(values):
                    total += tap * values[k]
            return total

        return at

    predict, update = (correlate(f.spatial.weight.flatten().tolist()) for f in (lifting.predictor, lifting.updater))
    signal = torch.randn(length, dtype=torch.float64)
    coarse, detail = lift_loop(signal.tolist(), predict, update)
    for vertical in (False, True):
        feat = signal.view(1, 1, -1, 1) if vertical else signal.view(1, 1, 1, -1)
        ours = lifting.lift(feat, vertical)
        torch.testing.assert_close(ours[0].flatten().tolist(), coarse)
        torch.testing.assert_close(ours[1].flatten().tolist(), detail)


def test_learned_filter_is_conv_relu_pointwise_tanh():
    torch.manual_seed(0)
    predictor = Lifting(3, kernel_size=3, variant='separable').double().predictor
    feat = torch.randn(1, 3, 2, 5, dtype=torch.float64)
    padded = torch.cat([feat[..., :1], feat, feat[..., -1:]], dim=-1)
    hidden = torch.stack(
        [
            sum(padded[:, c, :, j : j + 5] * predictor.spatial.weight[c, 0, 0, j] for j in range(3))
            + predictor.spatial.bias[c]
            for c in range(3)
        ],
        dim=1,
    ).clamp(min=0)
    mixed = torch.einsum('oc,nchw->nohw', predictor.pointwise.weight[..., 0, 0], hidden)
    expected = (mixed + predictor.pointwise.bias[:, None, None]).tanh()
    torch.testing.assert_close(predictor(feat, vertical=False), expected)
    torch.testing.assert_close(predictor(feat.mT, vertical=True), expected.mT)


@pytest.mark.parametrize(
    'variant, weights', [('depthwise', 4 * 5 + 4), ('separable', 4 * 5 + 16), ('dense', 16 * 5 + 16), ('linear', 4 * 5)]
)
def test_one_predictor_and_one_updater_of_the_stated_size(variant, weights):
    lifting = Lifting(4, kernel_size=5, variant=variant)
    assert sum(p.numel() for p in lifting.predictor.parameters() if p.dim() == 4) == weights
    assert sum(p.numel() for p in lifting.parameters() if p.dim() == 4) == 2 * weights


@pytest.mark.parametrize('output', ['sum', 'low', 'concat'])
def test_output_modes(output):
    pool = LiftDownPool(3, output=output)
    pooled, bands = pool.split(torch.randn(2, 3, 5, 8))
    expected = {
        'sum': bands.ll + bands.lh + bands.hl + bands.hh,
        'low': bands.ll,
        'concat': torch.cat(bands[:4], dim=1),
    }[output]
    torch.testing.assert_close(pooled, expected)
    assert pooled.shape == (2, pool.out_channels, 3, 4)


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('size', [(3, 4), (2, 5)])
def test_gradients_of_pooling_and_unpooling(variant, size):
    torch.manual_seed(0)
    pool = LiftDownPool(2, kernel_size=3, variant=variant).double()
    unpool = LiftUpPool(2, tied=pool)
    feat = torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
    decoded = torch.randn(1, 2, *(-(-side // 2) for side in size), dtype=torch.float64, requires_grad=True)
    names, weights = zip(*pool.named_parameters())

    def run(feat, decoded, *weights):
        def both():
            pooled, bands = pool.split(feat)
            return pooled, unpool(decoded, bands)

        return torch.func.functional_call(_Call(pool, both), {f'pool.{n}': w for n, w in zip(names, weights)}, ())

    assert gradcheck(run, (feat, decoded, *(w.detach().requires_grad_() for w in weights)))


class _Call(torch.nn.Module):
    """Lets `functional_call` put weights into `pool` while `function` runs."""

    def __init__(self, pool, function):
        super().__init__()
        self.pool, self.function = pool, function

    def forward(self):
        return self.function()


def test_unpooling_with_filters_and_widths_of_its_own():
    pooled, bands = LiftDownPool(6).split(torch.randn(2, 6, 7, 10, requires_grad=True))
    unpool = LiftUpPool(4, 6)
    out = unpool(torch.randn(2, 4, 4, 5), bands)
    assert out.shape == (2, 4, 7, 10)
    out.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in unpool.parameters())


def test_penalties_are_those_of_the_three_lifts():
    torch.manual_seed(0)
    pool = LiftDownPool(3).double()
    feat = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    pool(feat)
    assert pool.penalties is None
    pool.keep_penalties = True
    pool(feat)
    first = pool.lifting.lift(feat, vertical=False)
    lifts = [first, *(pool.lifting.lift(half, vertical=True) for half in first[:2])]
    update = sum((coarse - odd).square().mean() for coarse, _, odd in lifts) / 3
    predict = sum(detail.square().mean() for _, detail, _ in lifts) / 3
    torch.testing.assert_close(pool.penalties, (update, predict))
    pool.penalties = None
    pool.eval()(feat)
    assert pool.penalties is None  # nobody would take them off again


@pytest.mark.parametrize(
    'make, error, words',
    [
        (lambda: LiftDownPool(4, kernel_size=4), ValueError, 'kernel_size must be odd'),
        (lambda: LiftDownPool(4, variant='deep'), ValueError, 'variant must be one of'),
        (lambda: LiftDownPool(4, init='haar'), ValueError, "needs variant='linear'"),
        (lambda: LiftDownPool(4, init='zero', variant='linear'), ValueError, '1x1 convolutions'),
        (lambda: LiftDownPool(4, kernel_size=1, variant='linear', init='legall'), ValueError, 'at least 3'),
        (lambda: LiftDownPool(4, output='mean'), ValueError, 'output must be one of'),
        (lambda: LiftDownPool(4)(torch.rand(1, 3, 4, 4)), ValueError, r'\[B, 4, H, W\]'),
        (lambda: LiftUpPool(4, tied=LiftDownPool(8)), ValueError, 'must have the 8 channels'),
        (lambda: LiftUpPool(8, 4, tied=LiftDownPool(8)), ValueError, 'must have the 8 channels'),
        (lambda: LiftUpPool(4)(torch.rand(1, 4, 2, 2), torch.rand(1, 4, 4, 4)), TypeError, 'SubBands'),
        (
            lambda: LiftUpPool(4)(torch.rand(1, 4, 3, 2), SubBands(*[torch.rand(1, 4, 2, 2)] * 4, (4, 4))),
            ValueError,
            'shape of the details',
        ),
        (lambda: BlurPool(4, kernel_size=2), ValueError, 'kernel_size must be odd'),
        (lambda: BlurPool(4)(torch.rand(1, 3, 4, 4)), ValueError, r'\[B, 4, H, W\]'),
        (lambda: build_pool(dict(type='lifted'), 4), ValueError, "unknown type 'lifted' in pool_cfg"),
        (lambda: build_pool(dict(kernel_size=3), 4), TypeError, "with a 'type'"),
        (lambda: build_pool(dict(type='lift', kernel=3), 4), TypeError, 'no option kernel'),
        (lambda: build_unpool(dict(type='lift', tied=True), 4, 4), ValueError, "needs the pooling 'lift'"),
        (lambda: build_unpool(dict(type='max_unpool'), 4, 8), ValueError, 'as many channels'),
        (lambda: build_unpool(dict(type='max_unpool'), 4, 4)(torch.rand(1, 4, 2, 2), None), TypeError, 'indices'),
        (lambda: build_unpool(dict(type='interpolate', mode='area'), 4, 4), ValueError, 'mode must be'),
    ],
)
def test_bad_input_says_what_was_wanted(make, error, words):
    with pytest.raises(error, match=words):
        make()


@needs_tracer
def test_compiles_without_a_graph_break():
    pool = LiftDownPool(4)
    unpool = LiftUpPool(4, tied=pool)

    def both(feat):
        pooled, bands = pool.split(feat)
        return unpool(pooled, bands)

    feat = torch.randn(1, 4, 7, 10)
    torch.testing.assert_close(torch.compile(both, backend='eager', fullgraph=True)(feat), both(feat))


def test_penalties_of_a_batch_of_none_and_copies():
    pool = LiftDownPool(4)
    pool.keep_penalties = True
    pool(torch.randn(0, 4, 6, 6))
    assert pool.penalties is None
    pool(torch.randn(1, 4, 6, 6))
    assert pool.penalties is not None and copy.deepcopy(pool).penalties is None
