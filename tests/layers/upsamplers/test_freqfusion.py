import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import prune

from freqfusion_mm.layers import FreqFusion, OffsetGenerator, build_upsampler
from freqfusion_mm.ops import neighbour_similarity


def our_name(key):
    """State-dict key of the authors in our names."""
    first, *rest = key.split('.')
    first = FreqFusion.reference_keys.get(first, first)
    if first == 'offset_generator':
        rest[0] = OffsetGenerator.reference_keys.get(rest[0], rest[0])
    return '.'.join([first, *rest])


@pytest.mark.parametrize('number', range(8))
def test_parity_with_the_authors_code(number, golden, assert_parity):
    case = golden('freqfusion')[number]
    fusion = FreqFusion.from_reference(padding=case['padding'], **case['kwargs']).double()
    fusion.load_state_dict(case['state_dict'])
    inputs = {name: value.requires_grad_() for name, value in case['inputs'].items()}
    lr_up, hr_feat, kernels = fusion.fuse_step(**inputs)
    outputs = (kernels, hr_feat, lr_up)
    for what, actual, expected in zip(('kernels', 'hr_feat', 'lr_up'), outputs, case['outputs']):
        assert_parity(actual, expected, what)
    torch.autograd.backward(outputs, case['grad_outputs'])
    for name, value in inputs.items():
        assert_parity(value.grad, case['grad_inputs'][name], f'gradient of {name}')
    assert len(case['grad_params']) == len(list(fusion.parameters()))
    for key, expected in case['grad_params'].items():
        assert_parity(fusion.get_parameter(our_name(key)).grad, expected, f'gradient of {key}')


@pytest.mark.parametrize('options, times', [({}, 2), (dict(highpass=False), 2), (dict(initial_fusion=False), 1)])
def test_logits_are_normalised_once(options, times):
    """Those of the fine map alone for the initial fusion, and their sum with the coarse ones."""
    fusion = FreqFusion(8, 8, compressed_channels=8, **options)
    calls = []
    normalise, fusion.lowpass_filter.kernels = fusion.lowpass_filter.kernels, lambda t: calls.append(t) or normalise(t)
    fusion(torch.rand(1, 8, 3, 4), torch.rand(1, 8, 6, 8))
    assert len(calls) == times


def test_checkpoint_of_another_window_is_refused():
    with_window = {'hamming_lowpass': torch.ones(1, 1, 5, 5)}
    with pytest.raises(RuntimeError, match='trained with hamming_window=True, this layer has hamming_window=False'):
        FreqFusion(16, 16, compressed_channels=16, hamming_window=False).load_state_dict(with_window, strict=False)


def test_from_reference_has_the_authors_defaults_and_takes_no_typo():
    fusion = FreqFusion.from_reference(hr_channels=8, lr_channels=16)
    assert fusion.offset_generator is None and fusion.lr_compressor.out_channels == 64
    same = FreqFusion.from_reference(hr_channels=8, lr_channels=16, scale_factor=1, use_low_pass=True)
    assert repr(same) == repr(fusion)
    for name, good, bad in (('scale_factor', 1, 2), ('use_low_pass', True, False)):
        with pytest.raises(ValueError, match=f'FreqFusion.from_reference takes {name}={good} alone'):
            FreqFusion.from_reference(hr_channels=8, lr_channels=16, **{name: bad})
    with pytest.raises(TypeError, match='feature_resampel'):
        FreqFusion.from_reference(hr_channels=8, lr_channels=16, feature_resampel=True)


@pytest.mark.parametrize(
    'options',
    [
        dict(groups=4),
        dict(semi_conv=False, upsample_mode='bilinear'),
        dict(initial_fusion=False),
        dict(highpass=False),
        dict(highpass=False, initial_fusion=False),
        dict(highpass_residual=False),
        dict(resample=False),
        dict(resample_norm=False),
        dict(hamming_window=False),
        dict(padding='reflect'),
        dict(encoder_dilation=2),
        dict(lowpass_kernel=3, highpass_kernel=5),
        dict(with_cp=True),
        dict(init='intended'),
        dict(compressed_channels=7),
        dict(resample_direction='similarity', resample_kernel=1),
        dict(lowpass=False),
        dict(lowpass=False, highpass=False, upsample_mode='bilinear'),
        dict(lowpass=False, initial_lowpass=True, resample=False),
        dict(highpass=False, initial_highpass=True),
        dict(initial_lowpass=False),
        dict(initial_highpass=False),
    ],
)
@pytest.mark.parametrize('size, fine', [((6, 8), (12, 16)), ((5, 4), (11, 7)), ((3, 3), (12, 12))])
def test_every_option_at_any_size(options, size, fine):
    fusion = FreqFusion(16, 8, **{'compressed_channels': 16, **options})
    lr_feat, hr_feat = torch.randn(1, 16, *size, requires_grad=True), torch.randn(1, 8, *fine, requires_grad=True)
    lr_up, hr_out = fusion(lr_feat, hr_feat)
    (lr_up.square().mean() + hr_out.square().mean()).backward()
    assert lr_up.shape == (1, 16, *fine) and hr_out.shape == (1, 8, *fine)
    assert all(torch.isfinite(t.grad).all() for t in (lr_feat, hr_feat, *fusion.parameters()))


def with_the_weights_of(fusion, options):
    """A layer of the same widths and weights with other options."""
    other = FreqFusion(16, 8, compressed_channels=16, **options).double()
    other.load_state_dict({key: value for key, value in fusion.state_dict().items() if key in other.state_dict()})
    return other


@pytest.fixture
def drawn():
    fusion = FreqFusion(16, 8, compressed_channels=16).double()
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return fusion, torch.randn(1, 16, 4, 5).double(), torch.randn(1, 8, 9, 10).double()


def test_without_low_pass_it_interpolates(drawn, assert_same):
    fusion, lr_feat, hr_feat = drawn
    bilinear = F.interpolate(lr_feat, (9, 10), mode='bilinear')
    options = dict(lowpass=False, resample=False, upsample_mode='bilinear')
    lr_up, hr_out = with_the_weights_of(fusion, options)(lr_feat, hr_feat)
    assert_same(lr_up, bilinear)
    assert not torch.equal(hr_out, hr_feat)
    nothing = FreqFusion(16, 8, highpass=False, **options)
    assert not list(nothing.parameters())
    lr_up, hr_out = nothing(lr_feat, hr_feat)
    assert_same(lr_up, bilinear)
    assert torch.equal(hr_out, hr_feat)
    aligned = FreqFusion(16, 8, highpass=False, align_corners=True, **options)(lr_feat, hr_feat)[0]
    assert_same(aligned, F.interpolate(lr_feat, (9, 10), mode='bilinear', align_corners=True))


def test_the_filters_of_the_two_fusions_are_switched_apart(drawn, assert_same):
    fusion, *maps = drawn

    def fused(**options):
        return with_the_weights_of(fusion, options)(*maps)

    lr_up, _ = fusion(*maps)
    final = fused(highpass=False, initial_highpass=True)  # of the final fusion alone
    assert_same(final[0], lr_up)
    assert torch.equal(final[1], maps[1])
    neither, off = fused(initial_lowpass=False, initial_highpass=False), fused(initial_fusion=False)
    for ours, theirs in zip(neither, off):
        assert_same(ours, theirs)
    for options in (dict(initial_lowpass=False), dict(initial_highpass=False)):
        ours = fused(**options)[0]
        assert not torch.allclose(ours, lr_up) and not torch.allclose(ours, off[0]), options
    # no sharpening of the compressed map, and none of the map: as the high-pass filter switched off
    assert_same(fused(highpass=False, initial_highpass=False)[0], fused(highpass=False)[0])
    with pytest.raises(ValueError, match='wants initial_fusion=True and semi_conv=True, got False and True'):
        FreqFusion(16, 8, initial_fusion=False, initial_highpass=True)


def test_constant_map_stays_constant_inside_and_has_no_high_frequencies():
    fusion = FreqFusion(16, 8, compressed_channels=16, highpass_residual=False, init='intended')
    lr_up, details = fusion(torch.full((1, 16, 8, 8), 3.0), torch.full((1, 8, 16, 16), 2.0))
    # zero padding reaches r = 2 low-res pixels in, the 3x3 window one high-res pixel, resampling one more
    assert torch.allclose(lr_up[..., 5:11, 5:11], torch.tensor(3.0))
    assert torch.allclose(details[..., 1:-1, 1:-1], torch.tensor(0.0), atol=1e-5)


def test_directions_from_similarities_alone_and_scales_from_the_normalised_maps(assert_same):
    generator = OffsetGenerator(16, groups=2, direction='similarity', kernel_size=1).double()
    lr, hr = torch.randn(1, 16, 4, 5, dtype=torch.float64), torch.randn(1, 16, 8, 10, dtype=torch.float64)

    def predicted(side, feat):
        norm, offset, scale = (getattr(generator, f'{side}_{name}') for name in ('norm', 'offset', 'scale'))
        return offset(neighbour_similarity(norm(feat))), scale(norm(feat))

    (lr_offset, lr_scale), (hr_offset, hr_scale) = predicted('lr', lr), predicted('hr', hr)
    scale = (F.pixel_shuffle(lr_scale, 2) + hr_scale).sigmoid()
    expected = (F.pixel_shuffle(lr_offset, 2) + hr_offset) * scale
    assert_same(generator.predict(lr, hr).flatten(1, 2), expected)


def test_zero_offsets_return_the_map(assert_same):
    generator = OffsetGenerator(16, groups=2).double()
    for conv in (generator.lr_offset, generator.hr_offset):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    features = torch.randn(1, 4, 9, 13, dtype=torch.float64)
    compressed = torch.randn(1, 16, 5, 6, dtype=torch.float64), torch.randn(1, 16, 9, 13, dtype=torch.float64)
    assert_same(generator(*compressed, features), features)


def test_an_offset_of_one_low_resolution_pixel_moves_by_one_low_resolution_pixel(assert_same):
    generator = OffsetGenerator(16, groups=2).double()
    for conv in (generator.lr_offset, generator.hr_offset, generator.lr_scale, generator.hr_scale):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    generator.hr_offset.bias.data[:2] = 2.0  # x of both groups, times sigmoid(0) = 1/2
    features = torch.randn(1, 4, 8, 12, dtype=torch.float64)
    compressed = torch.randn(1, 16, 4, 6, dtype=torch.float64), torch.randn(1, 16, 8, 12, dtype=torch.float64)
    assert_same(generator(*compressed, features)[..., :-2], features[..., 2:])


def test_repetition_equals_two_steps(assert_same):
    fusion = FreqFusion(16, 8, compressed_channels=16).double()
    lr_feat = torch.randn(1, 16, 3, 4, dtype=torch.float64)
    hr_feat = torch.randn(1, 8, 12, 16, dtype=torch.float64)
    middle, _ = fusion(lr_feat, F.avg_pool2d(hr_feat, 2))
    for actual, expected in zip(fusion(lr_feat, hr_feat), fusion(middle, hr_feat)):
        assert_same(actual, expected)


def test_only_the_last_step_sharpens_the_map_that_is_returned(monkeypatch):
    fusion = FreqFusion(16, 8, compressed_channels=4, initial_highpass=False)
    sizes, sharpen = [], fusion.highpass_filter.sharpen
    monkeypatch.setattr(
        fusion.highpass_filter, 'sharpen', lambda x, *args: sizes.append(x.shape[-1]) or sharpen(x, *args)
    )
    fusion(torch.randn(1, 16, 3, 4), torch.randn(1, 8, 24, 32))
    assert sizes == [32]


def test_inits():
    released = FreqFusion(64, 64, compressed_channels=64).offset_generator
    intended = FreqFusion(64, 64, compressed_channels=64, init='intended').offset_generator
    assert released.lr_offset.weight.std() > 0.02 and released.lr_scale.weight.std() > 0.02
    assert 0.0009 < intended.lr_offset.weight.std() < 0.0011 and not intended.hr_scale.weight.any()


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(lowpass_kernel=4), 'lowpass_kernel must be odd'),
        (dict(groups=3), 'groups must divide lr_channels=16'),
        (dict(resample_groups=3), 'resample_groups must divide lr_channels=16'),
        (dict(padding='wrap'), 'padding must be one of'),
        (dict(init='zeros'), 'init must be one of'),
        (dict(resample_direction='sim'), "direction must be 'concat' or 'similarity'"),
        (dict(upsample_mode='area'), 'upsample_mode must be one of'),
        (dict(compress_ratio=4, compressed_channels=8), 'two ways to say one width: give one of them, got 8 and 4'),
        (dict(compress_ratio=0), 'compress_ratio must be positive, got 0'),
        (dict(encoder_dilation=0), 'encoder_dilation must be positive, got 0'),
        (dict(compress_ratio=100), 'compressed_channels must be positive, got 0'),
    ],
)
def test_bad_options(change, message):
    with pytest.raises(ValueError, match=message):
        FreqFusion(16, 8, **change)


@pytest.mark.parametrize(
    'lr_shape, hr_shape, message',
    [
        (
            (1, 8, 4, 4),
            (1, 16, 8, 8),
            r'lr_feat must have 16 channels, got 8.*\(lr_feat, hr_feat\), low resolution first',
        ),
        ((1, 16, 8, 8), (1, 8, 4, 4), 'hr_feat must be at least as large as lr_feat'),
        ((2, 16, 4, 4), (1, 8, 8, 8), 'one batch size, got 2 and 1'),
        ((16, 4, 4), (1, 8, 8, 8), 'lr_feat must be a non-empty map'),
        ((1, 16, 0, 4), (1, 8, 8, 8), 'lr_feat must be a non-empty map'),
    ],
)
def test_bad_maps(lr_shape, hr_shape, message):
    with pytest.raises(ValueError, match=message):
        FreqFusion(16, 8)(torch.zeros(lr_shape), torch.zeros(hr_shape))


def test_the_initialisation_is_that_of_the_option_whoever_asks_for_it():
    """mmengine calls `init_weights()` of each child once more."""
    fusion = FreqFusion(8, 8, init='intended')
    fusion.init_weights()
    assert not fusion.offset_generator.lr_scale.weight.any() and fusion.offset_generator.lr_offset.weight.std() < 0.01


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(groups=0), 'groups must divide'),
        (dict(groups=4, compressed_channels=6), 'groups must divide compressed_channels=6, whose map'),
        (dict(resample_groups=-1), 'resample_groups must divide'),
        (dict(resample_kernel=2), 'resample_kernel must be odd'),
    ],
)
def test_option_that_is_no_number_of_its_kind(options, words):
    with pytest.raises(ValueError, match=words):
        FreqFusion(8, 8, **options)


def test_the_fine_map_is_needed():
    with pytest.raises(ValueError, match='FreqFusion is guided and needs hr_feat'):
        FreqFusion(8, 8)(torch.rand(1, 8, 3, 3), None)


@pytest.mark.parametrize(
    'options', [{}, dict(initial_highpass=False), dict(initial_fusion=False), dict(semi_conv=False)]
)
def test_steps_on_the_way_make_no_high_pass_that_nobody_reads(options):
    fusion = FreqFusion(8, 8, compressed_channels=8, **options)
    seen = []
    fusion.highpass_encoder.register_forward_hook(lambda module, args, out: seen.append(out.shape[-2:]))
    fusion(torch.rand(1, 8, 3, 4), torch.rand(1, 8, 24, 32))
    last = {(12, 16), (24, 32)} if options != dict(semi_conv=False) else {(24, 32)}
    on_the_way = {(6, 8), (12, 16)} if not options else set()  # which the initial fusion sharpens there
    assert set(map(tuple, seen)) == last | on_the_way


@pytest.mark.parametrize('name', ['FreqFusion', 'ReSFU'])
def test_fixed_windows_are_there_behind_a_device_without_memory(name):
    with torch.device('meta'):
        late = build_upsampler(name, 8, 8)
    late.to_empty(device='cpu')
    ready = build_upsampler(name, 8, 8)
    late.load_state_dict(ready.state_dict())  # which holds no window
    buffers = list(zip(late.buffers(), ready.buffers()))
    assert buffers and all(torch.equal(*pair) for pair in buffers)


def test_hooks_on_every_convolution_are_called():
    """Pruning recomputes a weight in one; extractors of features read the others."""
    module = FreqFusion(8, 8)
    called = []
    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda *_, name=name: called.append(name))
    maps = torch.randn(1, 8, 3, 4), torch.randn(1, 8, 6, 8)
    hooked = module(*maps)
    convolutions = {name for name, layer in module.named_modules() if isinstance(layer, torch.nn.Conv2d)}
    assert set(called) == convolutions
    module, called = FreqFusion(8, 8), []
    for name in convolutions:
        module.get_submodule(name).register_full_backward_hook(lambda *_, name=name: called.append(name))
    sum(out.sum() for out in module(*(map_.requires_grad_() for map_ in maps))).backward()
    assert set(called) == convolutions
    module = FreqFusion(8, 8)
    hooked = module(*maps)
    prune.l1_unstructured(module.offset_generator.lr_offset, 'weight', 0.0)
    for _ in range(2):
        sum(out.sum() for out in module(*maps)).backward()
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(hooked, module(*maps)))


@pytest.mark.parametrize('name', ['FreqFusion', 'ReSFU'])
def test_half_precision_on_the_way_leaves_the_window_exact(name):
    module = build_upsampler(name, 8, 8)
    windows = [layer.window.clone() for layer in module.modules() if getattr(layer, 'window', None) is not None]
    module.bfloat16().half()
    now = [layer.window for layer in module.modules() if getattr(layer, 'window', None) is not None]
    assert windows and all(torch.equal(*pair) for pair in zip(windows, now, strict=True))
