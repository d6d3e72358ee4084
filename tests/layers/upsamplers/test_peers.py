"""DySample, FADE and SAPA against the authors' code and their definitions."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from freqfusion_mm.layers import FADE, SAPA, DySample, SAPADeform, step_sizes
from freqfusion_mm.ops import resize_nearest


def load(layer, case):
    layer = layer.double()
    layer.load_state_dict(case['state_dict'])
    return layer


def check(layer, case, names, assert_same):
    """Output and every gradient of a recorded case, whose inputs have `names` in the order of ours."""
    inputs = [case['inputs'][name].requires_grad_() for name in names]
    out = layer(*inputs)
    assert_same(out, case['outputs'][0])
    out.backward(case['grad_outputs'][0])
    for name, tensor in zip(names, inputs):
        assert_same(tensor.grad, case['grad_inputs'][name], name)
    grads = {name: parameter.grad for name, parameter in layer.named_parameters()}
    # The layer itself renames the recorded gradients: it loads them as if they were weights.
    layer.load_state_dict({**case['state_dict'], **case['grad_params']})
    for name, parameter in layer.named_parameters():
        assert_same(grads[name], parameter, name)


def test_dysample_is_the_authors(golden, assert_same):
    for case in golden('dysample'):
        check(load(DySample.from_reference(**case['kwargs']), case), case, ['x'], assert_same)


def test_sapa_is_the_authors(golden, assert_same):
    (case,) = golden('sapa')
    check(load(SAPA.from_reference(**case['kwargs']), case), case, ['x', 'y'], assert_same)


def test_sapa_deform_is_the_authors(golden, assert_same):
    for case in golden('sapa_deform'):
        check(load(SAPADeform.from_reference(**case['kwargs']), case), case, ['x', 'y'], assert_same)


@pytest.mark.parametrize('fine', [(6, 8), (7, 9), (13, 8)])
@pytest.mark.parametrize('high_offset', [False, True])
def test_sapa_deform_with_one_unmoved_point_is_nearest(fine, high_offset, assert_same):
    layer = SAPADeform(4, 3, points=1, high_offset=high_offset).double()
    torch.nn.init.zeros_(layer.offset.weight)
    lr, hr = torch.randn(2, 4, 3, 4, dtype=torch.float64), torch.randn(2, 3, *fine, dtype=torch.float64)
    expected = lr
    for size in step_sizes(lr.shape[-2:], fine):
        expected = resize_nearest(expected, size)
    assert_same(layer(lr, hr), expected)


def test_sapa_without_embedding_compares_the_maps_themselves(assert_same):
    inner, plain = (
        SAPA(6, 6, embedding=False, norm=None).double(),
        SAPA(6, 6, compressed_channels=6, norm=None).double(),
    )
    assert not list(inner.parameters())
    for conv in (plain.key, plain.hr_query):
        torch.nn.init.dirac_(conv.weight)
    lr, hr = torch.randn(1, 6, 3, 4, dtype=torch.float64), torch.randn(1, 6, 7, 9, dtype=torch.float64)
    assert_same(inner(lr, hr), plain(lr, hr))


def test_the_ablation_of_fade(assert_same):
    lr, hr = torch.randn(1, 4, 3, 5, dtype=torch.float64), torch.randn(1, 4, 7, 9, dtype=torch.float64)

    def build(fade=None, **options):
        layer = FADE(4, 4, gated=False, compressed_channels=6, **options).double()
        if fade is not None:
            layer.load_state_dict({key: fade.state_dict()[key] for key in layer.state_dict()})
        return layer

    fade = build()
    assert_same(build(fade, skip=True)(lr, hr), hr + fade(lr, hr))
    assert not torch.allclose(build(fade, semi_shift=False)(lr, hr), fade(lr, hr))
    point = build(encoder_kernel=1)  # of one pixel: the convolution of the sum is the sum of the convolutions
    assert_same(build(point, encoder_kernel=1, semi_shift=False)(lr, hr), point(lr, hr))
    torch.nn.init.zeros_(fade.lr_compressor.weight)
    assert_same(build(fade, source='hr')(lr, hr), fade(lr, hr))


def test_fade_is_the_authors(golden, assert_same):
    for case in golden('fade'):
        if case['variant'] != 'h2l':
            layer = FADE.from_reference(**case['kwargs'], lite=case['variant'] == 'lite')
            check(load(layer, case), case, ['de', 'en'], assert_same)


def test_the_other_form_of_fade_takes_the_channels_of_its_shifts_out_of_order(shared, assert_same):
    """The authors' form in plain PyTorch stacks four shifts of the compressed map, and reads the stack as channels
    times shifts: each filter sees a mixture. With that mixture in place of the shifts it is our layer."""
    cases = torch.load(shared('golden/fade.pt'), weights_only=True)
    (case,) = [case for case in cases if case['variant'] == 'h2l']
    fade = load(FADE.from_reference(**case['kwargs']), case)
    lr, hr = case['inputs']['de'], case['inputs']['en']
    compressed, logits = fade.hr_compressor(hr), []
    pads = ((1, 0, 1, 0), (0, 1, 1, 0), (1, 0, 0, 1), (0, 1, 0, 1))  # fine pixels (0, 0), (0, 1), (1, 0), (1, 1)
    stack = torch.cat([F.pad(compressed, pad) for pad in pads], dim=1)
    for shift in range(4):
        mixed = stack.unflatten(1, (-1, 4))[:, :, shift]
        logits.append(F.conv2d(mixed, fade.encoder.weight, fade.encoder.bias, stride=2))
    logits = F.pixel_shuffle(torch.stack(logits, dim=2).flatten(1, 2), 2)
    fade.encoder.register_forward_hook(lambda module, args, out: logits if out.shape == logits.shape else out)
    assert_same(fade(lr, hr), case['outputs'][0])


@pytest.mark.parametrize(
    'options', [dict(), dict(dynamic_scope=True), dict(style='pl'), dict(scale_factor=4, groups=2)]
)
def test_dysample_without_offsets_is_bilinear(options, assert_same):
    layer = DySample(16, **options).double()
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    scale = layer.scale_factor
    assert_same(layer(x), F.interpolate(x, scale_factor=scale, mode='bilinear'))
    fine = 5 * scale + 1, 7 * scale - 1  # of no whole ratio, one step
    assert_same(layer(x, torch.zeros(2, 1, *fine)), F.interpolate(x, fine, mode='bilinear'))


def test_the_scope_of_dysample_has_a_bias_where_it_is_asked_for(assert_same):
    """As in the authors' forks: at the start it changes nothing, and a large one leaves all of the range."""
    assert DySample(8, dynamic_scope=True).scope.bias is None
    layer, plain = DySample(8, dynamic_scope=True, scope_bias=True).double(), DySample(8).double()
    plain.offset.load_state_dict(layer.offset.state_dict())
    x = torch.randn(1, 8, 5, 7, dtype=torch.float64)
    assert_same(layer(x), plain(x))
    torch.nn.init.constant_(layer.scope.bias, 50.0)
    assert_same(layer.inside(x).offsets, 2 * plain.inside(x).offsets)


@pytest.mark.parametrize('gated', [False, True])
@pytest.mark.parametrize('norm', ['layer', 'group', None])
@pytest.mark.parametrize('fine', [(6, 8), (7, 9), (5, 4)])
def test_sapa_by_its_definition(gated, norm, fine, assert_same):
    layer = SAPA(6, 4, kernel_size=3, compressed_channels=5, gated=gated, norm=norm).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    lr, hr = torch.randn(1, 6, 3, 4, dtype=torch.float64), torch.randn(1, 4, *fine, dtype=torch.float64)

    def normed(x):
        if norm == 'layer':
            module = layer.lr_norm if x is lr else layer.hr_norm
            return F.layer_norm(x.movedim(1, -1), x.shape[1:2], module.weight, module.bias).movedim(-1, 1)
        module = layer.lr_norm if x is lr else layer.hr_norm
        return x if norm is None else F.group_norm(x, x.shape[1], module.weight, module.bias)

    query, key = F.conv2d(normed(hr), layer.hr_query.weight, layer.hr_query.bias), layer.key(normed(lr))
    if gated:
        gate = resize_nearest(torch.sigmoid(layer.gate(normed(lr))), fine)
        query = gate * query + (1 - gate) * layer.lr_query(resize_nearest(lr, fine))
    expected = torch.zeros(1, 6, *fine, dtype=torch.float64)
    for y, x in itertools.product(*map(range, fine)):
        scores, values = [], []
        for i, j in itertools.product((-1, 0, 1), repeat=2):
            row, col = y * 3 // fine[0] + i, x * 4 // fine[1] + j
            inside = 0 <= row < 3 and 0 <= col < 4
            scores.append(query[0, :, y, x] @ key[0, :, row, col] if inside else query.new_zeros(()))
            values.append(lr[0, :, row, col] if inside else lr.new_zeros(6))
        expected[0, :, y, x] = torch.stack(scores).softmax(0) @ torch.stack(values)
    assert_same(layer(lr, hr), expected)


def test_the_gate_of_fade_mixes_both_maps(assert_same):
    layer = FADE(4, 4).double()
    lr, hr = torch.randn(1, 4, 3, 5, dtype=torch.float64), torch.randn(1, 4, 7, 9, dtype=torch.float64)
    gate = resize_nearest(torch.sigmoid(layer.gate(lr)), (7, 9))
    mixed, layer.gate = layer(lr, hr), None
    assert_same(mixed, gate * hr + (1 - gate) * layer(lr, hr))


def test_ratios_above_two_are_steps_guided_by_the_pooled_map(assert_same):
    for layer in (FADE(4, 4).double(), SAPA(4, 4).double()):
        lr, hr = torch.randn(1, 4, 2, 3, dtype=torch.float64), torch.randn(1, 4, 8, 12, dtype=torch.float64)
        assert_same(layer(lr, hr), layer(layer(lr, F.avg_pool2d(hr, 2)), hr))


@pytest.mark.parametrize(
    'make, stages, published, digits',
    [
        (lambda: FADE(256, 256), 6, 0.29, 2),
        (lambda: FADE(256, 256, lite=True), 6, 0.080, 3),
        (lambda: FADE(256, 256, gated=False), 3, 0.1, 1),
        (lambda: SAPA(256, 256), 6, 0.1, 1),
        (lambda: SAPA(256, 256), 3, 0.1, 1),
        (lambda: DySample(256, style='pl', groups=8, dynamic_scope=True), 3, 0.0062, 4),
        (lambda: DySample(256, dynamic_scope=True), 3, 0.0492, 4),
    ],
)
def test_published_parameters(make, stages, published, digits):
    """Millions added to SegFormer-B1 (six stages) and to an FPN (three)."""
    assert round(stages * sum(p.numel() for p in make().parameters()) / 1e6, digits) == published


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: DySample(6, groups=4), 'groups must divide lr_channels=6, got 4'),
        (lambda: DySample(8, style='ps'), "style must be 'lp' or 'pl', got 'ps'"),
        (lambda: DySample(8, style='pl', scale_factor=3), r'scale_factor\*\*2 = 9 must divide lr_channels=8'),
        (lambda: FADE(8, 6, gated=True), 'lr_channels=8 and hr_channels=6: set gated=False'),
        (lambda: FADE(8, 8, gated=True, skip=True), 'wants gated=False .*, got gated=True'),
        (lambda: FADE(8, 8, source='lr'), "source must be 'both' or 'hr', got 'lr'"),
        (lambda: SAPA(8, 6, embedding=False), 'lr_channels=8 and hr_channels=6'),
        (lambda: SAPADeform(6, 6, groups=4), 'groups must divide lr_channels=6, got 4'),
        (lambda: SAPADeform(6, 6, points=0), 'points must be positive, got 0'),
        (lambda: FADE(8, 8, kernel_size=4), 'kernel_size must be odd'),
        (lambda: SAPA(8, 8, kernel_size=2), 'kernel_size must be odd'),
        (lambda: SAPA(8, 8, norm='batch'), "norm must be one of .*, got 'batch'"),
        (lambda: SAPA(8, 8)(torch.zeros(1, 8, 2, 2)), 'SAPA is guided and needs hr_feat'),
        (lambda: FADE(8, 8)(torch.zeros(1, 8, 2, 2)), 'FADE is guided and needs hr_feat'),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_mmcvs_builder_knows_them_by_name():
    build = pytest.importorskip('mmcv.cnn').build_upsample_layer
    pytest.importorskip('freqfusion_mm.registration')
    layer = build(dict(type='DySample', lr_channels=8, style='pl'))
    assert isinstance(layer, DySample) and layer(torch.zeros(1, 8, 3, 4)).shape == (1, 8, 6, 8)


@pytest.mark.parametrize(
    'layer, given, name', [(SAPA, dict(dim_y=16), 'up_factor'), (FADE, dict(in_channels_en=16), 'scale')]
)
def test_the_authors_ratio_is_that_of_a_step(layer, given, name):
    assert repr(layer.from_reference(**given, **{name: 2})) == repr(layer.from_reference(**given))
    with pytest.raises(ValueError, match=f'takes {name}=2 alone: larger ratios are steps of 2'):
        layer.from_reference(**given, **{name: 4})
