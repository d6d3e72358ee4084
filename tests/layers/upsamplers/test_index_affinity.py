"""IndexNet and A2U, the two upsamplers whose weights come from 2 x 2 squares of the encoder's map."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from freqfusion_mm.layers.borders import crop, repeat_to_even
from freqfusion_mm.layers.upsamplers.a2u import A2U, SHARING, filter_samples
from freqfusion_mm.layers.upsamplers.indexnet import IndexNet

#: Ratio 2, sizes around it that one step reaches, no ratio at all, and one pixel.
SIZES = [
    ((2, 3), (4, 6)),
    ((2, 3), (3, 5)),
    ((2, 3), (5, 7)),
    ((2, 3), (2, 3)),
    ((3, 4), (5, 4)),
    ((1, 1), (1, 1)),
    ((1, 2), (2, 2)),
]
INDICES = [
    dict(index=index, nonlinear=nonlinear, context=context)
    for index in ('holistic', 'm2o', 'o2o')
    for nonlinear in (True, False)
    for context in (True, False)
]


def maps(size, fine, lr_channels=4, hr_channels=4, batch=2, **options):
    options = {'dtype': torch.float64, **options}
    return torch.randn(batch, lr_channels, *size, **options), torch.randn(batch, hr_channels, *fine, **options)


def randomised(layer):
    """No parameter at a value that would hide it, such as the 1 and 0 of norms."""
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias, std=6)  # ReLU6 has work at both ends
    return layer.double()


def assert_equal_results(layer, oracle, lr_feat, hr_feat, assert_same):
    """Outputs and every gradient."""
    inputs = [lr_feat.requires_grad_(), hr_feat.requires_grad_(), *layer.parameters()]
    actual, expected = layer(lr_feat, hr_feat), oracle(layer, lr_feat, hr_feat)
    assert_same(actual, expected, 'out')
    grad = torch.randn_like(expected)
    names = ['lr_feat', 'hr_feat', *(name for name, _ in layer.named_parameters())]
    pairs = zip(names, *(torch.autograd.grad(out, inputs, grad) for out in (actual, expected)))
    for name, ours, theirs in pairs:
        assert_same(ours, theirs, f'gradient of {name}')


def pixel(x, y, c):
    """x[..., y, c] of a map with zeros around."""
    inside = 0 <= y < x.shape[-2] and 0 <= c < x.shape[-1]
    return x[..., y, c] if inside else torch.zeros_like(x[..., 0, 0])


def grid(pixel_of, height, width):
    """A map [..., height, width] of its pixels."""
    return torch.stack([torch.stack([pixel_of(y, x) for x in range(width)], -1) for y in range(height)], -2)


def squares(x):
    """Rows and columns of 2 x 2 squares that cover a map, and the map that has whole ones."""
    height, width = x.shape[-2:]
    h, w = (height + 1) // 2, (width + 1) // 2
    return h, w, grid(lambda y, c: x[..., min(y, height - 1), min(c, width - 1)], 2 * h, 2 * w)


# ---------------------------------------------------------------- IndexNet


def index_block(block, x, groups):
    """One strided block in training, [N, C, 2h, 2w] -> [N, C', h, w], a pixel at a time."""
    first = block[0] if isinstance(block, torch.nn.Sequential) else block
    kernel = first.weight.shape[-1]
    start = {2: 0, 4: -1}[kernel]

    def mixed(weight, values):  # [C', C/groups], [N, C] -> [N, C']
        return torch.cat([part @ some.T for part, some in zip(values.chunk(groups, 1), weight.chunk(groups, 0))], 1)

    def strided(y, c):
        return sum(
            mixed(first.weight[..., i, j], pixel(x, 2 * y + start + i, 2 * c + start + j))
            for i, j in itertools.product(range(kernel), repeat=2)
        )

    h, w = x.shape[-2] // 2, x.shape[-1] // 2
    out = grid(strided, h, w)
    if first is block:
        return out
    norm, last = block[1], block[3]
    mean = out.mean((0, 2, 3), keepdim=True)
    variance = (out - mean).square().mean((0, 2, 3), keepdim=True)
    out = (out - mean) / (variance + norm.eps).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    out = out.clamp(0, 6)
    return grid(lambda y, c: mixed(last.weight[..., 0, 0], out[..., y, c]), h, w)


def indexnet(layer, lr_feat, hr_feat):
    (h, w), (height, width) = lr_feat.shape[-2:], hr_feat.shape[-2:]
    _, _, even = squares(hr_feat)
    groups = hr_feat.shape[1] if layer.index == 'o2o' else 1
    logits = [index_block(block, even, groups) for block in layer.blocks]

    def one(y, x):
        place = 2 * (y % 2) + x % 2
        if layer.index == 'holistic':
            index = logits[0][:, place : place + 1, y // 2, x // 2]
        else:
            index = logits[place][:, :, y // 2, x // 2]
        return lr_feat[..., y * h // height, x * w // width] / (1 + (-index).exp())

    return grid(one, height, width)


@pytest.mark.parametrize('options', INDICES, ids=lambda options: '-'.join(map(str, options.values())))
@pytest.mark.parametrize('size, fine', [((2, 3), (4, 6)), ((3, 2), (7, 3))])
def test_every_indexnet_is_its_definition(options, size, fine, assert_same):
    layer = randomised(IndexNet(4, 4, **options))
    assert_equal_results(layer, indexnet, *maps(size, fine), assert_same)


@pytest.mark.parametrize('size, fine', SIZES)
def test_indexnet_is_its_definition_at_any_size(size, fine, assert_same):
    layer = randomised(IndexNet(3, 4))
    assert_equal_results(layer, indexnet, *maps(size, fine, lr_channels=3), assert_same)


def test_index_of_constant_logits(assert_same):
    """Zero logits halve the map; the four weights of a linear block are the four pixels of a square, row by row."""
    layer = IndexNet(2, 1, nonlinear=False, context=False).double()
    lr_feat, hr_feat = torch.randn(1, 2, 2, 3, dtype=torch.float64), torch.ones(1, 1, 4, 6, dtype=torch.float64)
    layer.blocks[0].weight.data.zero_()
    assert_same(layer(lr_feat, hr_feat), F.interpolate(lr_feat, scale_factor=2) / 2)
    wanted = torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=torch.float64)
    layer.blocks[0].weight.data[..., 0, 0] = wanted.logit().flatten()[:, None]
    assert_same(layer(torch.ones_like(lr_feat), hr_feat), wanted.repeat(2, 3).expand(1, 2, 4, 6))


def test_indexnet_samples_are_independent_in_evaluation(assert_same):
    layer, (lr_feat, hr_feat) = randomised(IndexNet(4, 4)).eval(), maps((2, 3), (5, 7), batch=3)
    assert_same(layer(lr_feat, hr_feat)[1:2], layer(lr_feat[1:2], hr_feat[1:2]))


def test_indexnet_has_the_published_parameters():
    """SegFormer-B1 with six +12.60 M, an FPN with three +6.30 M."""
    count = sum(parameter.numel() for parameter in IndexNet(256, 256).parameters())
    assert (f'{6 * count / 1e6:.2f}', f'{3 * count / 1e6:.2f}') == ('12.60', '6.30')


def authors_indexnet(channels, index, nonlinear, context):
    """State dict in the authors' names, of the shapes that the paper's blocks have."""
    k, width = 4 if context else 2, 2 * channels if index == 'holistic' else channels
    fan, out = 1 if index == 'o2o' else channels, 4 if index == 'holistic' else channels
    state = {}
    for name in ['indexnet'] if index == 'holistic' else [f'indexnet{i}' for i in range(1, 5)]:
        if not nonlinear:
            state[f'{name}.weight'] = torch.randn(out, fan, k, k)
            continue
        state[f'{name}.0.weight'] = torch.randn(width, fan, k, k)
        state |= {f'{name}.1.{key}': torch.rand(width) for key in ('weight', 'bias', 'running_mean', 'running_var')}
        state[f'{name}.1.num_batches_tracked'] = torch.tensor(7)
        state[f'{name}.3.weight'] = torch.randn(out, 1 if index == 'o2o' else width, 1, 1)
    return state


@pytest.mark.parametrize('options', INDICES, ids=lambda options: '-'.join(map(str, options.values())))
def test_indexnet_takes_the_authors_keys(options):
    layer = torch.nn.ModuleDict(dict(upsample=IndexNet(6, 6, **options)))
    state = authors_indexnet(6, **options)
    layer.load_state_dict({f'upsample.{key}': value for key, value in state.items()})
    loaded = layer['upsample'].state_dict()
    assert len(loaded) == len(state)
    for key, value in state.items():
        number = int(key.split('.')[0].removeprefix('indexnet') or 1) - 1
        assert torch.equal(loaded[f'blocks.{number}.{key.partition(".")[2]}'], value)


def test_indexnet_with_one_square_needs_two_samples_to_train():
    layer, pair = IndexNet(4, 4), (torch.randn(1, 4, 1, 1), torch.randn(1, 4, 2, 2))
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        layer(*pair)
    assert layer.eval()(*pair).shape == (1, 4, 2, 2)


# ---------------------------------------------------------------- A2U


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


# ---------------------------------------------------------------- both


@pytest.mark.parametrize('make', [IndexNet, A2U])
@pytest.mark.parametrize('size, fine, steps', [((2, 3), (8, 12), [(4, 6)]), ((1, 2), (4, 15), [(1, 3), (2, 7)])])
def test_high_ratios_take_steps(make, size, fine, steps, assert_same):
    layer, (lr_feat, hr_feat) = randomised(make(4, 4)).eval(), maps(size, fine)
    expected = lr_feat
    for step in steps:
        expected = layer(expected, F.adaptive_avg_pool2d(hr_feat, step))
    assert_same(layer(lr_feat, hr_feat), layer(expected, hr_feat))


@pytest.mark.parametrize('make', [IndexNet, A2U])
@pytest.mark.parametrize('size, fine', [((3, 4), (6, 8)), ((3, 4), (5, 7))])
def test_channels_last_changes_nothing(make, size, fine, assert_same):
    layer, pair = randomised(make(4, 4)), maps(size, fine)
    last = (feat.contiguous(memory_format=torch.channels_last) for feat in pair)
    assert_same(layer(*last), layer(*pair))


@pytest.mark.skipif(
    not hasattr(torch.export, 'Dim') or not hasattr(torch.export.Dim, 'AUTO'),
    reason='this torch exports no sizes that it finds free by itself',
)
@pytest.mark.parametrize('make', [IndexNet, A2U])
def test_exports_for_any_size(make, assert_same):
    layer, free = make(4, 4).eval(), {dim: getattr(torch.export.Dim, 'AUTO', None) for dim in (0, 2, 3)}
    example, *others = (maps(*sizes, dtype=torch.float32) for sizes in (((5, 6), (11, 12)), ((6, 7), (12, 13))))
    others.append(maps((13, 14), (27, 27), batch=3, dtype=torch.float32))
    exported = torch.export.export(layer, example, dynamic_shapes=(free, free)).module()
    for pair in (example, *others):
        assert_same(exported(*pair), layer(*pair))


@pytest.mark.parametrize('size', [(4, 6), (3, 6), (4, 5), (1, 1)])
def test_repeating_to_even_and_back(size):
    x = torch.randn(2, 3, *size)
    assert torch.equal(repeat_to_even(x), squares(x)[2])
    assert torch.equal(crop(repeat_to_even(x), size), x)


@pytest.mark.parametrize('make', [IndexNet, A2U])
@pytest.mark.parametrize(
    'lr_feat, hr_feat, message',
    [
        ((1, 4, 3, 3), None, 'needs hr_feat'),
        ((1, 5, 3, 3), (1, 6, 6, 6), 'lr_feat must have 4 channels, got 5'),
        ((1, 4, 3, 3), (1, 4, 6, 6), 'hr_feat must have 6 channels, got 4'),
        ((1, 4, 6, 6), (1, 6, 3, 3), 'hr_feat must be at least as large'),
        ((2, 4, 3, 3), (1, 6, 6, 6), 'one batch size'),
        ((1, 4, 0, 3), (1, 6, 6, 6), 'lr_feat must be a non-empty map'),
        ((4, 3, 3), (1, 6, 6, 6), 'lr_feat must be a non-empty map'),
    ],
)
def test_bad_maps(make, lr_feat, hr_feat, message):
    lr_feat, hr_feat = (None if shape is None else torch.zeros(shape) for shape in (lr_feat, hr_feat))
    with pytest.raises(ValueError, match=message):
        make(4, 6)(lr_feat, hr_feat)


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: IndexNet(4, 4, index='hin'), "index must be one of .*, got 'hin'"),
        (lambda: IndexNet(4, 6, index='m2o'), "index='m2o' .* lr_channels=4 and hr_channels=6: use 'holistic'"),
        (lambda: IndexNet(4, 6, index='o2o'), "index='o2o' .* lr_channels=4 and hr_channels=6"),
        (lambda: A2U(4, 4, kernel_size=4), 'kernel_size must be odd and positive .*, got 4'),
        (lambda: A2U(4, 4, kernel_size=-1), 'kernel_size must be odd and positive .*, got -1'),
        (lambda: A2U(4, 4, encoder_kernel=0), 'encoder_kernel must be positive, got 0'),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


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
