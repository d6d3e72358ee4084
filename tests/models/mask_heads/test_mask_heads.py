"""Mask heads: the stock ones with the stock upsamplers, whose weights load; ours with every gradient; no region."""

import pytest
import torch

pytest.importorskip('mmdet')

from mmdet.models.roi_heads.mask_heads import (  # noqa: E402
    DynamicMaskHead,
    FCNMaskHead,
    HTCMaskHead,
    SCNetMaskHead,
)
from mmengine.registry import MODELS  # noqa: E402
from twins.mmdet_twins import DYNAMIC, MASK  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.layers import Fusion  # noqa: E402
from freqfusion_mm.models.self_guided import SelfGuided  # noqa: E402

REGIONS = torch.randn(5, 8, 7, 7)
HEADS = {
    'FusionFCNMaskHead': (FCNMaskHead, MASK, (REGIONS,)),
    'FusionHTCMaskHead': (HTCMaskHead, MASK, (REGIONS, REGIONS + 1)),
    'FusionSCNetMaskHead': (SCNetMaskHead, MASK, (REGIONS,)),
    'FusionDynamicMaskHead': (DynamicMaskHead, DYNAMIC, (REGIONS, torch.randn(5, 8))),
}
STOCK = {
    'deconv': dict(type='deconv', scale_factor=2),
    'nearest': dict(type='nearest', scale_factor=2),
    'bilinear': dict(type='bilinear', scale_factor=2),
    'bilinear x3': dict(type='bilinear', scale_factor=3),
    'carafe': dict(type='carafe', scale_factor=2, up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1),
}


def flat(outs):
    return [outs] if isinstance(outs, torch.Tensor) else list(outs)


@pytest.mark.parametrize('upsample', STOCK)
@pytest.mark.parametrize('name', HEADS)
def test_with_the_stock_upsampling_it_is_the_stock_head(name, upsample):
    cls, options, inputs = HEADS[name]
    stock = cls(**options, upsample_cfg=STOCK[upsample]).eval()
    ours = MODELS.build(dict(options, type=name, upsample_cfg=STOCK[upsample])).eval()
    ours.load_state_dict(stock.state_dict())
    for expected, actual in zip(flat(stock(*inputs)), flat(ours(*inputs))):
        assert torch.equal(actual, expected)


@pytest.mark.parametrize('scale_factor', [0, 1.5, -2, '2'])
def test_a_ratio_that_is_none_is_refused(scale_factor):
    with pytest.raises(ValueError, match='scale_factor must be a whole number of at least 2, got'):
        MODELS.build(dict(MASK, type='FusionFCNMaskHead', upsample_cfg=dict(type='nearest', scale_factor=scale_factor)))


class Guide(Fusion):
    """Hands out what guides it."""

    def forward(self, lr_feat, hr_feat):
        return hr_feat, hr_feat


def test_the_guide_of_a_single_map_is_the_map_interpolated():
    feat = torch.randn(1, 3, 4, 5)
    expected = torch.nn.functional.interpolate(feat, scale_factor=2, mode='bilinear')
    torch.testing.assert_close(SelfGuided(Guide())(feat), expected)


@pytest.mark.parametrize(
    'upsample_cfg',
    [
        dict(type='FreqFusion', compressed_channels=8),
        dict(type='FreqFusion', scale_factor=2),  # what a config inherits
        dict(type='FreqFusion', scale_factor=None),  # or leaves to the default
        dict(type='FreqFusion', scale_factor=2, up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1),
        dict(type='SAPA'),
        dict(type='DySample'),
        dict(type='carafe', compressed_channels=8),
    ],
    ids=str,
)
@pytest.mark.parametrize('name', HEADS)
def test_every_gradient_and_its_own_initialisation(name, upsample_cfg):
    _, options, inputs = HEADS[name]
    head = MODELS.build(dict(options, type=name, upsample_cfg=upsample_cfg))
    before = {key: value.clone() for key, value in head.upsample.state_dict().items()}
    head.init_weights()
    for key, value in head.upsample.state_dict().items():
        assert torch.equal(value, before[key]), key
    outs = flat(head(*inputs))
    assert outs[0].shape == (5, 3, 14, 14)
    sum(out.square().sum() for out in outs).backward()
    assert not [key for key, weight in head.named_parameters() if weight.grad is None]


@pytest.mark.parametrize('name', HEADS)
def test_a_kept_deconv_is_initialised_as_in_stock_and_learns(name):
    cls, options, inputs = HEADS[name]
    drawn = []
    for make in (cls, lambda **given: MODELS.build(dict(given, type=name))):
        torch.manual_seed(0)
        head = make(**options, upsample_cfg=STOCK['deconv'])
        head.init_weights()
        drawn.append(head.state_dict())
    assert list(drawn[0]) == list(drawn[1])
    assert all(torch.equal(value, drawn[1][key]) for key, value in drawn[0].items())
    sum(out.square().sum() for out in flat(head(*inputs))).backward()
    assert not [key for key, weight in head.named_parameters() if weight.grad is None]


def test_a_deconv_that_changes_the_channels_is_kept_too():
    options = dict(MASK, num_convs=0, conv_out_channels=4)
    stock = FCNMaskHead(**options)
    ours = MODELS.build(dict(options, type='FusionFCNMaskHead', upsample_cfg='deconv'))
    ours.load_state_dict(stock.state_dict())
    assert torch.equal(ours(REGIONS), stock(REGIONS))
    old = {
        key.replace('upsample.', 'upsample.fusion.upsampler.deconv.'): stock.state_dict()[key]
        for key in ours.state_dict()
    }
    ours.load_state_dict(old)  # as it was saved when the layer was ours
    with pytest.raises(TypeError, match='which has no options here'):
        MODELS.build(dict(options, type='FusionFCNMaskHead', upsample_cfg=dict(type='deconv', kernel_size=4)))


@pytest.mark.parametrize('upsample', ['FreqFusion', 'carafe', 'bilinear', 'deconv'])
def test_no_region(upsample):
    head = MODELS.build(dict(HEADS['FusionFCNMaskHead'][1], type='FusionFCNMaskHead', upsample_cfg=upsample))
    assert head(REGIONS[:0]).shape == (0, 3, 14, 14)


def test_options_that_nobody_takes_are_named():
    _, options, _ = HEADS['FusionFCNMaskHead']
    with pytest.raises(TypeError, match='FusionFCNMaskHead has no option num_conv .did you mean num_convs'):
        MODELS.build(dict(options, type='FusionFCNMaskHead', num_conv=3))
    with pytest.raises(TypeError, match='FreqFusion has no option lowpas'):
        MODELS.build(dict(options, type='FusionFCNMaskHead', upsample_cfg=dict(type='FreqFusion', lowpas=3)))
