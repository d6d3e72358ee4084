import copy

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import prune

from freqfusion_mm.layers import (
    CARAFE,
    FADE,
    SAPA,
    UPSAMPLERS,
    Bicubic,
    Bilinear,
    Deconv,
    DySample,
    Nearest,
    PixelShuffle,
    ReSFU,
    SAPADeform,
    build_upsampler,
    interleave_concat,
    step_sizes,
)


@pytest.mark.parametrize('layer, mode', [(Nearest(), 'nearest'), (Bilinear(), 'bilinear'), (Bicubic(), 'bicubic')])
def test_interpolation_is_torchs(layer, mode):
    x, guide = torch.randn(2, 3, 5, 7), torch.randn(2, 1, 13, 9)
    assert torch.equal(layer(x, guide), F.interpolate(x, (13, 9), mode=mode))
    assert torch.equal(layer(x), F.interpolate(x, scale_factor=2, mode=mode))


def test_aligned_corners():
    x = torch.randn(1, 2, 4, 4)
    assert torch.equal(Bilinear(align_corners=True)(x, torch.zeros(1, 1, 7, 7))[..., ::2, ::2], x)


@pytest.mark.parametrize('scale, kernel', [(2, 4), (2, 6), (3, 5), (4, 8)])
def test_bilinear_deconv_is_bilinear_inside(scale, kernel, assert_same):
    x = torch.randn(1, 4, 6, 6)
    deconv = Deconv(4, scale_factor=scale, kernel_size=kernel, init='bilinear', groups=2)
    expected = F.interpolate(x, scale_factor=scale, mode='bilinear')
    inside = slice(scale, -scale)  # torch repeats the border, the convolution reads zeros
    assert_same(deconv(x)[..., inside, inside], expected[..., inside, inside])


def test_deconv_and_pixel_shuffle_equal_mmcv():
    build = pytest.importorskip('mmcv.cnn').build_upsample_layer
    x = torch.randn(1, 4, 5, 6)
    stock = build(
        dict(type='deconv', in_channels=4, out_channels=4, kernel_size=3, stride=2, padding=1, output_padding=1)
    )
    ours = Deconv(4)
    ours.deconv.load_state_dict(stock.state_dict())
    assert torch.equal(ours(x), stock(x))
    stock = build(dict(type='pixel_shuffle', in_channels=4, out_channels=4, scale_factor=2, upsample_kernel=3))
    ours = PixelShuffle(4)
    ours.load_state_dict(stock.state_dict())
    assert torch.equal(ours(x), stock(x))


def test_carafe_takes_mmcvs_weights():
    ops = pytest.importorskip('mmcv.ops')
    stock = ops.CARAFEPack(channels=8, scale_factor=2, compressed_channels=16)
    CARAFE(8, compressed_channels=16).load_state_dict(stock.state_dict())


@pytest.mark.parametrize(
    'weight, std',
    [
        (lambda: CARAFE(64).content_encoder, 0.001),
        (lambda: DySample(256).offset, 0.001),
        (lambda: ReSFU(256, 256).lr_compressor, 0.02),
        (lambda: SAPA(256, 256).key, 0.02),
        (lambda: SAPADeform(256, 256).key, 0.02),
    ],
)
def test_the_standard_deviations_that_the_authors_start_with(weight, std):
    assert float(weight().weight.detach().std()) == pytest.approx(std, rel=0.1)


def test_carafe_kernels_keep_a_constant_inside():
    out = CARAFE(3, compressed_channels=8)(torch.full((1, 3, 8, 8), 2.0))
    assert torch.allclose(out[..., 4:-4, 4:-4], torch.tensor(2.0))


@pytest.mark.parametrize('layer', [Deconv(3), PixelShuffle(3), CARAFE(3, compressed_channels=8)])
def test_other_sizes_read_the_doubled_map(layer, assert_same):
    """CARAFE reads its kernels so, and reassembles once: at another size perhaps in another way, with its rounding."""
    layer, x = copy.deepcopy(layer).double(), torch.randn(1, 3, 14, 13, dtype=torch.float64)
    doubled = layer(x)  # 28 x 26
    out = layer(x, torch.zeros(1, 1, 27, 27, dtype=torch.float64))
    rows, cols = [y * 28 // 27 for y in range(27)], [c * 26 // 27 for c in range(27)]
    assert_same(out, doubled[:, :, rows][..., cols])


def test_interleaving_keeps_groups_together():
    hr_feat = torch.arange(4.0).view(1, 4, 1, 1)
    lr_up = torch.arange(10.0, 16.0).view(1, 6, 1, 1)
    assert interleave_concat(hr_feat, lr_up, 2).flatten().tolist() == [0, 1, 10, 11, 12, 2, 3, 13, 14, 15]
    assert torch.equal(interleave_concat(hr_feat, lr_up), torch.cat([hr_feat, lr_up], dim=1))
    assert interleave_concat(hr_feat[:0], lr_up[:0], 2).shape == (0, 10, *hr_feat.shape[2:])
    with pytest.raises(ValueError, match='groups must divide both channel numbers'):
        interleave_concat(hr_feat, lr_up, 4)


def test_every_step_is_one_that_a_single_pass_can_take():
    for coarse in range(1, 20):
        for fine in range(coarse, 150):
            sizes = [coarse, *(size[0] for size in step_sizes((coarse, 1), (fine, 1)))]
            assert sizes[-1] == fine
            assert all(a <= b <= 2 * a + 1 for a, b in zip(sizes, sizes[1:]))
    assert step_sizes((8, 2), (9, 40)) == [(8, 5), (8, 10), (8, 20), (9, 40)]  # an axis that is nearly there waits


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: Deconv(4, scale_factor=4, kernel_size=3), 'kernel_size must be at least scale_factor=4'),
        (lambda: Deconv(4, init='zeros'), "init must be 'xavier' or 'bilinear'"),
        (lambda: PixelShuffle(4, kernel_size=2), 'kernel_size must be odd'),
        (lambda: PixelShuffle(4, kernel_size=-1), 'kernel_size must be odd and positive'),
        (lambda: CARAFE(4, kernel_size=-1), 'kernel_size must be odd and positive'),
        (lambda: CARAFE(4, groups=0), 'groups must divide lr_channels=4, got 0'),
        (lambda: CARAFE(4, padding='mirror'), "padding must be one of .*, got 'mirror'"),
        (lambda: CARAFE(4, encoder_dilation=0), 'encoder_dilation must be positive, got 0'),
        (lambda: FADE(8, 8, compressed_channels=0), 'compressed_channels must be positive, got 0'),
        (lambda: SAPA(8, 8, compressed_channels=0), 'compressed_channels must be positive, got 0'),
        (lambda: SAPADeform(8, 8, compressed_channels=0), 'compressed_channels must be positive, got 0'),
        (lambda: ReSFU(8, 8, groups=0), 'groups must divide compressed_channels=32, got 0'),
        (lambda: ReSFU(8, 8, norm_groups=0), 'norm_groups must divide compressed_channels=32, got 0'),
        (lambda: CARAFE(4, groups=3), 'groups must divide lr_channels=4'),
        (lambda: CARAFE(4, kernel_size=4), 'must be odd'),
        (lambda: CARAFE(4, scale_factor=1), 'scale_factor must be a whole number of at least 2'),
        (lambda: DySample(8, scale_factor=2.5), 'scale_factor must be a whole number of at least 2, got 2.5'),
        (lambda: SAPADeform(8, 8, scale_factor=2.5), 'scale_factor must be a whole number of at least 2, got 2.5'),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize('name', ['carafe', 'deconv', 'DySample', 'pixel_shuffle'])
def test_maps_in_the_wrong_order(name):
    """Without a guide their channels say nothing: the order is seen by the sizes."""
    upsampler = build_upsampler(name, 8, 8)
    with pytest.raises(ValueError, match=r'at least as large as lr_feat, got \(8, 9\) and \(16, 18\); the order'):
        upsampler(torch.zeros(1, 8, 16, 18), torch.zeros(1, 8, 8, 9))


@pytest.mark.parametrize('name', UPSAMPLERS)
def test_pruning_every_convolution(name):
    """It recomputes the weights in hooks: in a convolution that is passed by, the second step fails."""
    layer = build_upsampler(name, 16, 16)
    maps = torch.randn(2, 16, 3, 4), torch.randn(2, 16, 6, 8)
    before = layer(*maps)
    convolutions = [each for each in layer.modules() if isinstance(each, torch.nn.Conv2d)]
    for each in convolutions:
        prune.l1_unstructured(each, 'weight', 0.0)
    for _ in range(2):
        out = layer(*maps)
        out = sum(each.sum() for each in out) if isinstance(out, tuple) else out.sum()
        if convolutions:
            out.backward()
    torch.testing.assert_close(layer(*maps), before)
