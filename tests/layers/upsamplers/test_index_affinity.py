"""What IndexNet and A2U share, the two upsamplers whose weights come from 2 x 2 squares of the encoder's map."""

import pytest
import torch
import torch.nn.functional as F
from literal_squares import maps, randomised, squares

from freqfusion_mm.layers.borders import crop, repeat_to_even
from freqfusion_mm.layers.upsamplers.a2u import A2U
from freqfusion_mm.layers.upsamplers.indexnet import IndexNet


@pytest.mark.parametrize('make', [IndexNet, A2U])
@pytest.mark.parametrize('size, fine, steps', [((2, 3), (8, 12), [(4, 6)]), ((1, 2), (4, 15), [(1, 3), (2, 7)])])
def test_high_ratios_take_steps(make, size, fine, steps, assert_same):
    layer, (lr_feat, hr_feat) = randomised(make(4, 4)).eval(), maps(size, fine)
    expected = lr_feat
    for step in steps:
        expected = layer(expected, F.adaptive_avg_pool2d(hr_feat, step))
    assert_same(layer(lr_feat, hr_feat), layer(expected, hr_feat))


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
