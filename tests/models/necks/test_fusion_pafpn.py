"""The path aggregation necks with depthwise convolutions, and with what a config inherits from the stock neck's."""

import pytest
import torch

pytest.importorskip('mmdet')

from mmdet.models.necks import YOLOXPAFPN, CSPNeXtPAFPN  # noqa: E402

from freqfusion_mm.models.necks.fusion_pafpn import FusionCSPNeXtPAFPN, FusionYOLOXPAFPN  # noqa: E402

CHANNELS = [8, 16, 32]
NECKS = [(YOLOXPAFPN, FusionYOLOXPAFPN), (CSPNeXtPAFPN, FusionCSPNeXtPAFPN)]


def build(neck, **options):
    return neck(CHANNELS, 8, num_csp_blocks=1, use_depthwise=True, **options)


def maps(size):
    return [torch.rand(2, channels, -(-size // 2**i), -(-(size + 3) // 2**i)) for i, channels in enumerate(CHANNELS)]


@pytest.mark.filterwarnings('ignore:upsample_cfg=')
@pytest.mark.parametrize('stock, ours', NECKS)
@pytest.mark.parametrize('upsample_cfg', [dict(type='nearest'), dict(scale_factor=2, mode='nearest')])
def test_nearest_is_the_stock_neck(stock, ours, upsample_cfg):
    stock, ours = build(stock).eval(), build(ours, upsample_cfg=upsample_cfg).eval()
    ours.load_state_dict(stock.state_dict())
    inputs = [torch.rand(2, channels, 16 // 2**i, 24 // 2**i) for i, channels in enumerate(CHANNELS)]
    for expected, actual in zip(stock(inputs), ours(inputs)):
        assert torch.equal(actual, expected)


@pytest.mark.parametrize('_, ours', NECKS)
@pytest.mark.parametrize(
    'upsample_cfg',
    [
        dict(type='FreqFusion', compressed_channels=8),
        dict(type='carafe'),
        dict(type='FreqFusion', scale_factor=2, mode='nearest'),  # what a config inherits from the stock neck's
    ],
)
def test_odd_sizes_and_every_gradient(_, ours, upsample_cfg):
    neck, inputs = build(ours, upsample_cfg=upsample_cfg), maps(13)
    neck.init_weights()
    outs = neck(inputs)
    assert [out.shape[2:] for out in outs] == [x.shape[2:] for x in inputs]
    sum(out.square().mean() for out in outs).backward()
    assert not [name for name, parameter in neck.named_parameters() if parameter.grad is None]
