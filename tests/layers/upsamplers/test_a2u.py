"""A2U against its definition."""

import math

import pytest
import torch
import torch.nn.functional as F
from literal_squares import SIZES, assert_equal_results, grid, maps, pixel, randomised, squares

from freqfusion_mm.layers.upsamplers.a2u import A2U, SHARING, filter_samples


def average(x, size):
    """Adaptive average pooling, a cell at a time."""

    def cell(y, c):
        (top, bottom), (left, right) = ((i * n // size, -(-(i + 1) * n // size)) for i, n in zip((y, c), x.shape[-2:]))
        return x[..., top:bottom, left:right].mean((-2, -1))

    return grid(cell, size, size)


def a2u(layer, lr_feat, hr_feat):
    (h, w), (height, width) = lr_feat.shape[-2:], hr_feat.shape[-2:]
    n, channels = hr_feat.shape[:2]
    k, taps, radius = layer.encoder_kernel, layer.kernel_size**2, layer.kernel_size // 2
    rows, cols, even = squares(hr_feat)
    factors = []
    for conv, norm in ((layer.first_filter, layer.first_norm), (layer.second_filter, layer.second_norm)):
        weight = sum(conv.weight[0, c] * average(hr_feat[:, c], k) for c in range(channels)) + conv.bias  # [N, k, k]
        start = -((k - 1) // 2)
        out = grid(
            lambda y, x, weight=weight, start=start: sum(
                weight[:, i, j, None] * pixel(even, 2 * y + start + i, 2 * x + start + j)
                for i in range(k)
                for j in range(k)
            ),
            rows,
            cols,
        )  # [N, C, h, w]
        groups = out.view(n, norm.num_groups, -1)
        mean = groups.mean(-1, keepdim=True)
        variance = (groups - mean).square().mean(-1, keepdim=True)
        out = ((groups - mean) / (variance + norm.eps).sqrt()).view(out.shape)
        out = out * norm.weight[:, None, None] + norm.bias[:, None, None]
        factors.append(torch.where(out > 0, out, 0.01 * out))
    affinity = (factors[0] * factors[1]).sum(1) / math.sqrt(channels)  # [N, h, w]
    scales = hr_feat.mean((-2, -1)) @ layer.tap_scales.weight[..., 0, 0].T + layer.tap_scales.bias  # [N, 4*k*k]

    def one(y, x):
        of_place = scales[:, 2 * (y % 2) + x % 2 :: 4]  # [N, k*k]
        kernel = (1 / (1 + (-of_place * affinity[:, y // 2, x // 2, None]).exp())).exp()
        kernel = kernel / kernel.sum(1, keepdim=True)
        return sum(
            kernel[:, t, None]
            * pixel(
                lr_feat,
                y * h // height + t // layer.kernel_size - radius,
                x * w // width + t % layer.kernel_size - radius,
            )
            for t in range(taps)
        )

    return grid(one, height, width)


@pytest.mark.parametrize('size, fine', SIZES)
def test_a2u_is_its_definition_at_any_size(size, fine, assert_same):
    layer = randomised(A2U(3, 4))
    assert_equal_results(layer, a2u, *maps(size, fine, lr_channels=3), assert_same)


@pytest.mark.parametrize(
    'options',
    [dict(kernel_size=5), dict(kernel_size=1, encoder_kernel=1), dict(encoder_kernel=2), dict(encoder_kernel=3)],
)
def test_a2u_of_other_kernels(options, assert_same):
    layer = randomised(A2U(2, 6, **options))
    assert_equal_results(layer, a2u, *maps((2, 3), (5, 6), lr_channels=2, hr_channels=6), assert_same)


@pytest.mark.parametrize('channels, groups', [(256, 32), (48, 24), (40, 20), (12, 12), (37, 1), (1, 1)])
def test_a2u_norm_takes_any_number_of_channels(channels, groups, assert_same):
    layer = randomised(A2U(2, channels))
    assert layer.first_norm.num_groups == layer.second_norm.num_groups == groups
    lr_feat, hr_feat = maps((1, 2), (2, 3), lr_channels=2, hr_channels=channels)
    assert_same(layer(lr_feat, hr_feat), a2u(layer, lr_feat, hr_feat))


@pytest.mark.parametrize('batch', [1, SHARING, SHARING + 1, 2 * SHARING + 3])
def test_filters_of_a_sample_meet_that_sample_alone(batch, assert_same):
    layer, (lr_feat, hr_feat) = randomised(A2U(4, 4)), maps((2, 3), (4, 6), batch=batch)
    alone = [layer(lr_feat[i : i + 1], hr_feat[i : i + 1]) for i in range(batch)]
    assert_same(layer(lr_feat, hr_feat), torch.cat(alone))
    first, second = torch.randn(2, batch, 1, 6, 6, dtype=torch.float64)
    for filters, out in zip((first, second), filter_samples(hr_feat, first, second, 6)):
        expected = [F.conv2d(x[:, None], own[None], stride=2, padding=2)[:, 0] for x, own in zip(hr_feat, filters)]
        assert_same(out, torch.stack(expected))


def test_a2u_kernels_sum_to_one_and_keep_a_constant_inside(assert_same):
    layer, (_, hr_feat) = randomised(A2U(3, 4)), maps((4, 5), (7, 10))
    kernels = layer.kernels(hr_feat)
    assert kernels.shape == (2, 9, 7, 10)
    assert_same(kernels.sum(1), torch.ones(2, 7, 10, dtype=torch.float64))
    out = layer(torch.full((2, 3, 4, 5), 3.0, dtype=torch.float64), hr_feat)
    assert_same(out[..., 2:-2, 2:-2], torch.full_like(out[..., 2:-2, 2:-2], 3.0))


def test_a2u_without_scales_is_the_mean_of_its_window(assert_same):
    layer, (lr_feat, hr_feat) = A2U(3, 4).double(), maps((4, 5), (8, 10), lr_channels=3)
    layer.tap_scales.weight.data.zero_(), layer.tap_scales.bias.data.zero_()
    assert_same(layer(lr_feat, hr_feat), F.interpolate(F.avg_pool2d(lr_feat, 3, 1, 1), scale_factor=2))


def test_a2u_parameters_at_256_channels():
    """Two filters, two norms, 36 numbers of each sample. The published FPN with three has +0.0292 M, ours +0.0324 M:
    the difference is just the scales and shifts of the norms and the bias of `tap_scales`."""
    layer = A2U(256, 256)
    count = sum(parameter.numel() for parameter in layer.parameters())
    assert count == 2 * (256 + 1) + 2 * 2 * 256 + 36 * (256 + 1) == 10_790
    without = count - 2 * 2 * 256 - layer.tap_scales.bias.numel()
    assert (f'{3 * count / 1e6:.4f}', f'{3 * without / 1e6:.4f}') == ('0.0324', '0.0292')


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_a2u_with_parameters_in_half_precision(dtype):
    layer = A2U(4, 4).to(dtype)
    lr_feat, hr_feat = (1e3 * feat.to(dtype) for feat in maps((2, 3), (5, 6)))
    out = layer(lr_feat, hr_feat)
    assert out.dtype == dtype and torch.isfinite(out).all()
    expected = layer.double()(lr_feat.double(), hr_feat.double())
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=1e3 * 4 * torch.finfo(dtype).eps)


def test_a2u_takes_the_keys_of_the_port_for_detection(assert_same):
    names = {
        'first_filter': 'bconv_U.1',
        'second_filter': 'bconv_V.1',
        'first_norm': 'bnu.0',
        'second_norm': 'bnv.0',
        'tap_scales': 'bconv_UP.1',
    }
    theirs, ours = randomised(A2U(4, 4)), A2U(4, 4).double()
    weights = {
        f'kernel_gen.{names[module]}.{kind}': value
        for (module, kind), value in ((key.split('.'), value) for key, value in theirs.state_dict().items())
    }
    weights.update(
        {'kernel_gen.bconv_DP.1.weight': torch.zeros(36, 4, 1, 1), 'kernel_gen.bconv_DP.1.bias': torch.zeros(36)}
    )
    ours.load_state_dict(weights)
    pair = maps((2, 3), (4, 6))
    assert_same(ours(*pair), theirs(*pair))
