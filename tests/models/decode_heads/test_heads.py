"""Decode heads: equal to the stock ones for bilinear, and fused as the paper does otherwise."""

import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.models.backbones import UNet  # noqa: E402
from mmseg.models.decode_heads import FPNHead, LightHamHead, SegformerHead, UPerHead  # noqa: E402
from torch import nn  # noqa: E402

import freqfusion_mm.models.decode_heads as heads  # noqa: E402
from freqfusion_mm.layers import Fusion, interleave_concat  # noqa: E402

CHANNELS = [8, 16, 24, 32]
COMMON = dict(in_channels=CHANNELS, in_index=[0, 1, 2, 3], channels=16, num_classes=3)
STOCK = {
    'segformer': (heads.FusionSegformerHead, SegformerHead, dict(norm_cfg=dict(type='BN'))),
    'ham': (heads.FusionHamHead, LightHamHead, dict(ham_channels=16, ham_kwargs=dict(MD_R=4))),
    'uper': (heads.FusionUPerHead, UPerHead, dict(pool_scales=(1, 2))),
    'fpn': (heads.FusionSemanticFPNHead, FPNHead, dict(feature_strides=[4, 8, 16, 32])),
}
SIZES = {
    'exact': [(32, 24), (16, 12), (8, 6), (4, 3)],
    'odd': [(27, 21), (14, 11), (7, 6), (4, 3)],
}
SMALL = dict(type='FreqFusion', compressed_channels=8)


@pytest.fixture(autouse=True)
def mmseg_scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance('test_heads', scope_name='mmseg')
        yield


def pyramid(sizes, channels=CHANNELS, batch=2):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, c, *size, generator=generator) for c, size in zip(channels, sizes)]


def build(name, **kwargs):
    torch.manual_seed(0)
    cls, _, own = STOCK[name]
    return cls(**{**COMMON, **own, **kwargs})


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('sizes', SIZES)
@pytest.mark.parametrize('name', STOCK)
def test_bilinear_is_the_stock_head(name, sizes, align_corners):
    _, stock_cls, own = STOCK[name]
    stock = stock_cls(**COMMON, **own, align_corners=align_corners).eval()
    ours = build(name, upsample_cfg=dict(type='bilinear'), align_corners=align_corners).eval()
    assert ours.state_dict().keys() == stock.state_dict().keys()
    ours.load_state_dict(stock.state_dict())
    outs = []
    for head in (stock, ours):
        torch.manual_seed(3)  # the Hamburger starts from random bases
        outs.append(head(pyramid(SIZES[sizes])))
    assert torch.equal(*outs)


def test_unet_bilinear_is_the_stock_decoder():
    unet = UNet(
        3,
        8,
        3,
        strides=(1, 1, 1),
        enc_num_convs=(1, 1, 1),
        dec_num_convs=(2, 2),
        downsamples=(True, True),
        enc_dilations=(1, 1, 1),
        dec_dilations=(1, 1),
    )
    unet.eval()
    head = heads.FusionUNetHead(
        in_channels=[8, 16, 32],
        in_index=[0, 1, 2],
        channels=8,
        num_classes=3,
        norm_cfg=dict(type='BN'),
        upsample_cfg=dict(type='bilinear'),
    ).eval()
    weights = {k: v for k, v in unet.state_dict().items() if k.startswith('decoder.')}
    missing, unexpected = head.load_state_dict(weights, strict=False)
    assert missing == ['conv_seg.weight', 'conv_seg.bias'] and not unexpected
    image = torch.randn(2, 3, 16, 24)
    levels = [image]
    for encoder in unet.encoder:
        levels.append(encoder(levels[-1]))
    assert torch.equal(head(levels[1:]), head.cls_seg(unet(image)[-1]))


@pytest.mark.parametrize('type_', ['DySample', 'FADE', 'SAPA'])
def test_stagewise_segformer_upsamples_every_level_apart(type_):
    head = build('segformer', upsample_cfg=dict(type=type_), stagewise=True, in_channels=[16] * 4).eval()
    assert len(head.fusions) == 6
    levels = pyramid(SIZES['odd'], channels=[16] * 4)
    fused = []
    head.fusion_conv.register_forward_pre_hook(lambda module, args: fused.append(args[0]))
    head.convs = nn.ModuleList(nn.Identity() for _ in head.convs)
    head(levels)
    c1, c2, c3, c4 = levels
    first, second, third, fourth, fifth, sixth = (fusion.upsampler for fusion in head.fusions)
    deep = third(second(first(c4, c3), c2), c1)
    assert torch.equal(fused[0], torch.cat([c1, sixth(c2, c1), fifth(fourth(c3, c2), c1), deep], 1))


def test_stagewise_bilinear_is_the_stock_head():
    plain = build('segformer', upsample_cfg=dict(type='bilinear')).eval()
    stagewise = build('segformer', upsample_cfg=dict(type='bilinear'), stagewise=True).eval()
    stagewise.load_state_dict(plain.state_dict())
    assert torch.equal(plain(pyramid(SIZES['odd'])), stagewise(pyramid(SIZES['odd'])))


@pytest.mark.parametrize('name', STOCK)
def test_autocast(name):
    head = build(name, upsample_cfg=SMALL)
    with torch.autocast('cpu', torch.bfloat16):
        out = head(pyramid(SIZES['odd']))
    assert out.dtype == torch.bfloat16 and torch.isfinite(out).all()


class Recorder(Fusion):
    """A x2 fusion that marks what it returns and remembers what it got."""

    resample_groups = 2

    def __init__(self, lr_channels, hr_channels):
        super().__init__()
        self.channels = (lr_channels, hr_channels)

    def forward(self, lr_feat, hr_feat):
        assert (lr_feat.shape[1], hr_feat.shape[1]) == self.channels
        self.sizes = (tuple(lr_feat.shape[2:]), tuple(hr_feat.shape[2:]))
        return nn.functional.interpolate(lr_feat, hr_feat.shape[2:]) + 1, hr_feat * 2


def record(head):
    return [(m.channels, m.sizes) for m in head.modules() if isinstance(m, Recorder)]


def test_concat_heads_go_deep_to_shallow_and_interleave():
    head = build('ham', upsample_cfg=dict(type=Recorder))
    levels = pyramid(SIZES['odd'])
    seen = []
    head.squeeze.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    head(levels)
    assert record(head) == [
        ((32, 24), ((4, 3), (7, 6))),
        ((56, 16), ((7, 6), (14, 11))),
        ((72, 8), ((14, 11), (27, 21))),
    ]
    wanted = levels[3]
    for level in levels[2::-1]:
        wanted = interleave_concat(level * 2, nn.functional.interpolate(wanted, level.shape[2:]) + 1, 2)
    assert torch.equal(seen[0], wanted)

    head = build('segformer', upsample_cfg=dict(type=Recorder))
    head(levels)
    assert [channels for channels, _ in record(head)] == [(16, 16), (32, 16), (48, 16)]


def test_uper_head_adds_the_two_outputs():
    head = build('uper', upsample_cfg=dict(type=Recorder)).eval()
    levels = pyramid(SIZES['odd'])
    seen = []
    head.fpn_convs[2].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    head(levels)
    assert [sizes for _, sizes in record(head)] == [((4, 3), (7, 6)), ((7, 6), (14, 11)), ((14, 11), (27, 21))]
    top, lateral = head.psp_forward(levels), head.lateral_convs[2](levels[2])
    assert torch.equal(seen[0], lateral * 2 + (nn.functional.interpolate(top, (7, 6)) + 1))


def test_semantic_fpn_head_is_guided_by_the_level_of_the_target_size():
    head = build('fpn', upsample_cfg=dict(type=Recorder))
    head(pyramid(SIZES['odd']))
    assert [len(branch) for branch in head.fusions] == [3, 2, 1]
    assert record(head) == [
        ((16, 24), ((4, 3), (7, 6))),
        ((16, 16), ((7, 6), (14, 11))),
        ((16, 8), ((14, 11), (27, 21))),
        ((16, 16), ((7, 6), (14, 11))),
        ((16, 8), ((14, 11), (27, 21))),
        ((16, 8), ((14, 11), (27, 21))),
    ]


def test_unet_head_concatenates_the_sharpened_skip():
    head = heads.FusionUNetHead(**COMMON, norm_cfg=dict(type='BN'), upsample_cfg=dict(type=Recorder))
    levels = pyramid(SIZES['odd'])
    seen = []
    head.decoder[2].conv_block.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    head.eval()(levels)
    lr_up = nn.functional.interpolate(levels[3], (7, 6)) + 1
    assert torch.equal(seen[0], torch.cat([levels[2] * 2, head.decoder[2].upsample(lr_up)], dim=1))
    assert [channels for channels, _ in record(head)] == [(32, 24), (24, 16), (16, 8)]


def test_the_default_fusion_is_freqfusion():
    for cls, _, own in STOCK.values():
        assert type(cls(**COMMON, **own).fusions[0]).__name__ in ('FreqFusion', 'ModuleList')
    assert type(heads.FusionUNetHead(**COMMON).fusions[0]).__name__ == 'FreqFusion'


def test_authors_segnext_checkpoint_loads():
    cfg = dict(type='FreqFusion', compress_ratio=4, hamming_window=False, resample_groups=4)
    head = build('ham', in_channels=[16, 24, 32], in_index=[1, 2, 3], upsample_cfg=cfg)
    theirs = {
        'hr_compressor': 'hr_channel_compressor',
        'lr_compressor': 'lr_channel_compressor',
        'lowpass_encoder': 'content_encoder',
        'highpass_encoder': 'content_encoder2',
        'offset_generator.lr_offset': 'dysampler.offset',
        'offset_generator.hr_offset': 'dysampler.hr_offset',
        'offset_generator.lr_scale': 'dysampler.direct_scale',
        'offset_generator.hr_scale': 'dysampler.hr_direct_scale',
        'offset_generator.lr_norm': 'dysampler.norm_lr',
        'offset_generator.hr_norm': 'dysampler.norm_hr',
    }
    state = {}
    for key, value in head.state_dict().items():
        if key.startswith('fusions.'):
            _, index, name = key.split('.', 2)
            ours = next(name_ for name_ in theirs if name.startswith(name_ + '.'))
            key = f'freqfusions.{index}.{theirs[ours]}{name[len(ours) :]}'
        state[key] = torch.randn_like(value)
    for i in range(2):
        state[f'freqfusions.{i}.hamming_lowpass'] = torch.ones(1)
        state[f'freqfusions.{i}.hamming_highpass'] = torch.ones(1)
        state[f'freqfusions.{i}.dysampler.init_pos'] = torch.zeros(1, 32, 1, 1)
    head.load_state_dict(dict(state), strict=True)
    for i in range(2):
        assert torch.equal(head.fusions[i].lowpass_encoder.weight, state[f'freqfusions.{i}.content_encoder.weight'])
    model = nn.ModuleDict(dict(decode_head=head))
    model.load_state_dict({f'decode_head.{k}': v for k, v in state.items()}, strict=True)


@pytest.mark.parametrize('name', STOCK)
def test_bad_input_is_named(name):
    head = build(name, upsample_cfg=SMALL)
    levels = pyramid(SIZES['exact'])
    with pytest.raises(ValueError, match=r'at least 4 maps, got 3'):
        head(levels[:3])
    with pytest.raises(ValueError, match='one tensor'):
        head(levels[0])
    with pytest.raises(ValueError, match='in_channels'):
        head([levels[1], levels[0], *levels[2:]])
    with pytest.raises(ValueError, match=r'\[B, 8, H, W\]'):
        head([levels[0][0], *levels[1:]])
    with pytest.raises(ValueError, match='B as in'):
        head([levels[0], levels[1][:1], *levels[2:]])
    with pytest.raises(ValueError, match='at least as large'):
        head(pyramid(SIZES['exact'][::-1]))


@pytest.mark.parametrize(
    'kwargs, error, words',
    [
        (dict(in_channels=16), ValueError, 'in_channels wants a list'),
        (dict(in_channels=[16], in_index=[0]), ValueError, 'two or more levels|one of feature_strides'),
        (dict(in_index=[0, 1]), ValueError, 'one entry of in_index for each'),
        (dict(upsample_cfg=dict(type='bilinar')), ValueError, 'bilinar'),
        (dict(upsample_cfg=dict(type='FreqFusion', compresed_channels=8)), TypeError, 'compresed'),
        (dict(upsample_cfg='FreqFussion'), ValueError, "did you mean 'FreqFusion'"),
        (dict(upsample_cfg=3), TypeError, 'upsample_cfg must be a dict'),
        (dict(dropout=0.1), TypeError, r'has no option dropout \(did you mean dropout_ratio\?\)'),
        (
            dict(compressed_channels=8),
            TypeError,
            r"this belongs into upsample_cfg, e.g. upsample_cfg=dict\(type='FreqFusion', compressed_channels=8\)",
        ),
        (dict(mid_channels=8, upsample_cfg='ReSFU'), TypeError, r"belongs into .*type='ReSFU', mid_channels=8"),
        (dict(lite=True), TypeError, r"for another upsampler .*e.g. upsample_cfg=dict\(type='FADE', lite=True"),
    ],
)
@pytest.mark.parametrize('name', STOCK)
def test_bad_config_is_named(name, kwargs, error, words):
    with pytest.raises(error, match=words):
        build(name, **kwargs)


def test_bad_config_of_one_head():
    with pytest.raises(ValueError, match='upsample_cfg'):
        build('segformer', interpolate_mode='nearest')
    with pytest.raises(ValueError, match='double from level to level'):
        build('fpn', feature_strides=[4, 8, 32, 64])
    with pytest.raises(ValueError, match='one of feature_strides'):
        build('fpn', feature_strides=[4, 8])
    with pytest.raises(ValueError, match='num_convs'):
        heads.FusionUNetHead(**COMMON, num_convs=0)
