"""Pixel decoders: equal to mmdet's where a stock one exists, and inside both frameworks' heads."""

import pytest
import torch

pytest.importorskip('mmdet')
pytest.importorskip('mmcv.ops')

from mmdet.models.layers import (
    MSDeformAttnPixelDecoder,
    PixelDecoder,
    TransformerEncoderPixelDecoder,
)
from mmengine.config import ConfigDict
from own_upsampler import Learned

import freqfusion_mm.registration  # noqa: F401
from freqfusion_mm.models.pixel_decoders import (
    FusionMSDeformAttnPixelDecoder,
    FusionPixelDecoder,
    FusionTransformerEncoderPixelDecoder,
)

CHANNELS = [8, 12, 16, 24]
SIZES = [(33, 47), (17, 24), (9, 12), (5, 6)]
METAS = [
    dict(batch_input_shape=(132, 188), img_shape=(132, 188)),
    dict(batch_input_shape=(132, 188), img_shape=(99, 130)),
]
WIDTH = dict(in_channels=CHANNELS, feat_channels=32, out_channels=16)
ENCODER = ConfigDict(
    num_layers=1,
    layer_cfg=dict(
        self_attn_cfg=dict(embed_dims=32, num_heads=2, dropout=0.0, batch_first=True),
        ffn_cfg=dict(embed_dims=32, feedforward_channels=32, num_fcs=2, ffn_drop=0.0),
    ),
)
POSITION = dict(num_feats=16, normalize=True)


def deformable(num_levels):
    encoder = ENCODER.copy()
    encoder.layer_cfg = dict(
        self_attn_cfg=dict(
            embed_dims=32, num_heads=2, num_levels=num_levels, num_points=2, dropout=0.0, batch_first=True
        ),
        ffn_cfg=ENCODER.layer_cfg.ffn_cfg,
    )
    return dict(WIDTH, strides=[4, 8, 16, 32], encoder=encoder, positional_encoding=POSITION, num_outs=num_levels)


def pyramid(batch=2):
    torch.manual_seed(1)
    return [torch.randn(batch, c, *size) for c, size in zip(CHANNELS, SIZES)]


def flat(outs):
    for out in outs:
        yield from out if isinstance(out, (list, tuple)) else [out]


def assert_equal(ours, stock, *args):
    torch.manual_seed(0)
    stock.init_weights()
    for parameter in stock.parameters():  # the stock start has many zeros
        parameter.data += 0.02 * torch.randn_like(parameter)
    ours.load_state_dict(stock.state_dict())
    for got, wanted in zip(flat(ours.eval()(*args)), flat(stock.eval()(*args)), strict=True):
        assert torch.equal(got, wanted)


def test_nearest_equals_stock_pixel_decoder():
    ours = FusionPixelDecoder(**WIDTH, upsample_cfg=dict(type='nearest'))
    assert_equal(ours, PixelDecoder(**WIDTH), pyramid(), METAS)


def test_nearest_equals_stock_transformer_encoder_pixel_decoder():
    kwargs = dict(WIDTH, encoder=ENCODER, positional_encoding=POSITION)
    ours = FusionTransformerEncoderPixelDecoder(**kwargs, upsample_cfg=dict(type='nearest'))
    assert_equal(ours, TransformerEncoderPixelDecoder(**kwargs), pyramid(), METAS)


@pytest.mark.parametrize('num_levels', [3, 4])
def test_bilinear_equals_stock_msdeformattn_pixel_decoder(num_levels):
    kwargs = deformable(num_levels)
    ours = FusionMSDeformAttnPixelDecoder(**kwargs, upsample_cfg=dict(type='bilinear'))
    assert_equal(ours, MSDeformAttnPixelDecoder(**kwargs), pyramid())


def test_two_levels_beyond_the_encoder():
    """The stock class mixes up its lateral convs here; ours takes each level's own."""
    decoder = FusionMSDeformAttnPixelDecoder(**deformable(2), upsample_cfg=dict(type='FreqFusion'))
    mask_feature, maps = decoder(pyramid())
    assert mask_feature.shape == (2, 16, *SIZES[0])
    assert [tuple(m.shape) for m in maps] == [(2, 32, *SIZES[3]), (2, 32, *SIZES[2])]


def released(**kwargs):
    return FusionMSDeformAttnPixelDecoder(
        **deformable(3),
        **kwargs,
        upsample_cfg=dict(type='FreqFusion', hamming_window=False, compressed_channels=64, resample_norm=False),
    )


def test_the_released_form_has_three_fusions():
    decoder = released(fuse_inputs=True)
    assert (len(decoder.input_fusions), len(decoder.fusions)) == (2, 1)
    fusion = decoder.fusions[0]
    assert fusion.lr_compressor.out_channels == 64
    assert fusion.lowpass_filter.window is None and fusion.highpass_filter.window is None
    assert released().input_fusions is None


def test_input_fusion_is_the_sum_from_deep_to_shallow():
    """What the encoder receives, with interpolation for the fusion."""
    kwargs = deformable(3)
    decoder = FusionMSDeformAttnPixelDecoder(**kwargs, fuse_inputs=True, upsample_cfg='bilinear').eval()
    received = []
    decoder._encode = lambda maps: received.extend(maps) or list(maps)
    maps = pyramid()
    decoder(maps)
    wanted = decoder.input_convs[0](maps[3])
    assert torch.equal(received[0], wanted)
    for level in (1, 2):
        lateral = decoder.input_convs[level](maps[3 - level])
        wanted = lateral + torch.nn.functional.interpolate(
            wanted, size=lateral.shape[2:], mode='bilinear', align_corners=False
        )
        assert torch.equal(received[level], wanted)


@pytest.mark.parametrize(
    'build',
    [
        lambda: (FusionPixelDecoder(**WIDTH, upsample_cfg=dict(type='FreqFusion')), METAS),
        lambda: (
            FusionTransformerEncoderPixelDecoder(
                **WIDTH, encoder=ENCODER, positional_encoding=POSITION, upsample_cfg=dict(type='FreqFusion')
            ),
            METAS,
        ),
        lambda: (released(fuse_inputs=True),),
        lambda: (FusionPixelDecoder(**WIDTH, upsample_cfg=dict(type='ReSFU')), METAS),
        lambda: (FusionMSDeformAttnPixelDecoder(**deformable(3), fuse_inputs=True, upsample_cfg=dict(type='ReSFU')),),
    ],
    ids=['conv', 'transformer', 'msdeformattn', 'conv-resfu', 'msdeformattn-resfu'],
)
def test_every_parameter_learns(build):
    decoder, *args = build()
    decoder.init_weights()
    torch.manual_seed(0)
    for parameter in decoder.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    outs = list(flat(decoder(pyramid(), *args)))
    sum(out.square().sum() for out in outs).backward()
    without = [n for n, p in decoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without
    assert outs[0].shape == (2, 16, *SIZES[0])


def test_initialisation_leaves_the_fusions_their_own():
    decoder = released(fuse_inputs=True)
    decoder.init_weights()
    for fusion in [*decoder.input_fusions, *decoder.fusions]:
        assert fusion.lowpass_encoder.weight.std() < 0.002


@pytest.mark.parametrize(
    'build, number',
    [
        (lambda cfg: FusionPixelDecoder(**WIDTH, upsample_cfg=cfg), 3),
        (
            lambda cfg: FusionTransformerEncoderPixelDecoder(
                **WIDTH, encoder=ENCODER, positional_encoding=POSITION, upsample_cfg=cfg
            ),
            3,
        ),
        (lambda cfg: FusionMSDeformAttnPixelDecoder(**deformable(3), fuse_inputs=True, upsample_cfg=cfg), 3),
    ],
    ids=['conv', 'transformer', 'msdeformattn'],
)
def test_an_upsamplers_own_init_cfg_is_followed(build, number):
    decoder = build(dict(type=Learned, init_cfg=dict(type='Constant', layer='Conv2d', val=0.25)))
    decoder.init_weights()
    convolutions = [module.conv for module in decoder.modules() if isinstance(module, Learned)]
    assert len(convolutions) == number and all((conv.weight == 0.25).all() for conv in convolutions)
    assert decoder.mask_feature.weight.std() > 0


@pytest.mark.parametrize(
    'decoder, args',
    [
        (FusionPixelDecoder(**WIDTH), (METAS,)),
        (FusionTransformerEncoderPixelDecoder(**WIDTH, encoder=ENCODER, positional_encoding=POSITION), (METAS,)),
        (FusionMSDeformAttnPixelDecoder(**deformable(3)), ()),
    ],
    ids=['conv', 'transformer', 'msdeformattn'],
)
def test_bad_maps(decoder, args):
    maps = pyramid()
    for bad, words in [
        (maps[1:], 'wants 4 maps.*got 3 maps'),
        ([maps[1], *maps[1:]], r'map 0 must be \[B, 8, H, W\]'),
        ([maps[0], maps[1][0], *maps[2:]], 'map 1 must be'),
        ([*maps[:3], maps[3][:1]], 'B as in the other maps'),
    ]:
        with pytest.raises(ValueError, match=f'{type(decoder).__name__}.*{words}'):
            decoder(bad, *args)


@pytest.mark.parametrize('cls', [FusionPixelDecoder, FusionTransformerEncoderPixelDecoder])
def test_unknown_fusion(cls):
    extra = {} if cls is FusionPixelDecoder else dict(encoder=ENCODER, positional_encoding=POSITION)
    with pytest.raises(ValueError, match='Frequency'):
        cls(**WIDTH, **extra, upsample_cfg=dict(type='Frequency'))
