"""Every module with a stock original in mmdet or mmseg: equal to it for its interpolation, any size, bad input."""

import copy

import pytest
import torch

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')

import mmdet.models.backbones as mmdet_backbones  # noqa: E402
import mmdet.models.necks as mmdet_necks  # noqa: E402
import mmseg.models.backbones as mmseg_backbones  # noqa: E402
import mmseg.models.decode_heads as mmseg_heads  # noqa: E402
import mmseg.models.necks as mmseg_necks  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmseg.models.backbones.stdc import STDCContextPathNet  # noqa: E402
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPHead  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.models.necks import FusionFPN  # noqa: E402

BN = dict(type='BN')
LEVELS = [8, 16, 24, 32]
HEAD = dict(channels=8, num_classes=3, norm_cfg=BN)
RESIZED = dict(HEAD, in_channels=LEVELS, in_index=[0, 1, 2, 3], input_transform='resize_concat')
RESNET = dict(type='mmseg.ResNet', depth=18, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3), norm_cfg=BN)
STDC = dict(
    type='mmseg.STDCNet',
    stdc_type='STDCNet1',
    in_channels=3,
    channels=(8, 8, 16, 24, 32),
    bottleneck_type='cat',
    num_convs=4,
    norm_cfg=BN,
    act_cfg=dict(type='ReLU'),
    with_final_conv=False,
)
UNET = dict(
    base_channels=4,
    num_stages=4,
    strides=(1, 1, 1, 1),
    enc_num_convs=(1, 1, 1, 1),
    dec_num_convs=(1, 1, 1),
    downsamples=(True, True, False),
    enc_dilations=(1, 1, 1, 1),
    dec_dilations=(1, 1, 1),
)
#: HRNet's four stages, a unit each but for the third.
HRNET = {
    f'stage{stage}': dict(
        num_modules=2 if stage == 3 else 1,
        num_branches=stage,
        block='BASIC' if stage > 1 else 'BOTTLENECK',
        num_blocks=(1,) * stage,
        num_channels=(4, 8, 8, 8)[:stage],
    )
    for stage in (1, 2, 3, 4)
}
ACTIVATED_FIRST = dict(norm_cfg=BN, inplace=False, order=('act', 'conv', 'norm'))
FPG = dict(
    in_channels=LEVELS,
    out_channels=8,
    inter_channels=8,
    num_outs=4,
    stack_times=3,
    paths=['bu'] * 3,
    same_up_trans=dict(type='conv', kernel_size=3, stride=2, padding=1, **ACTIVATED_FIRST),
    across_lateral_trans=dict(type='conv', kernel_size=1, **ACTIVATED_FIRST),
    across_down_trans=dict(type='interpolation_conv', mode='nearest', kernel_size=3, **ACTIVATED_FIRST),
    across_skip_trans=dict(type='conv', kernel_size=1, **ACTIVATED_FIRST),
    output_trans=dict(type='last_conv', kernel_size=3, order=('act', 'conv', 'norm'), inplace=False),
    norm_cfg=BN,
    skip_inds=[(0, 1), (0,), (), ()],
)
SAN = dict(
    num_classes=3,
    san_cfg=ConfigDict(
        in_channels=3,
        clip_channels=12,
        embed_dims=8,
        num_queries=5,
        fusion_index=[0, 1, 2],
        cfg_encoder=dict(num_encode_layer=3, num_heads=2, mlp_ratio=2),
        cfg_decoder=dict(num_heads=2, num_layers=1, embed_channels=8, mlp_channels=8, num_mlp=2, rescale=True),
    ),
    maskgen_cfg=ConfigDict(
        sos_token_num=5, num_layers=2, embed_dims=12, num_heads=2, out_dims=8, frozen_exclude=['all']
    ),
    deep_supervision_idxs=[],
    train_cfg=None,
)


def pyramid(channels, size):
    """Maps, fine to coarse, of half the size each, rounded up; an even size has 8 as a factor."""
    return [torch.randn(2, width, -(-size // 2**i), -(-(size + 8) // 2**i)) for i, width in enumerate(channels)]


def image(size):
    return torch.randn(2, 3, size, size + 32)


def clip(size):
    """An image with three maps of CLIP's, each with its class token, coarser than the tokens; the classes' names."""
    coarse = [(torch.randn(2, 12, -(-size // 2), size // 2), torch.randn(2, 12)) for _ in range(3)]
    return (torch.randn(2, 3, 16 * size, 16 * size), coarse, torch.randn(4, 8)), []


def tokens(size):
    """Four maps of a plain transformer with their class tokens."""
    return [(torch.randn(2, 8, size, size), torch.randn(2, 8)) for _ in range(4)]


#: our name -> the stock class, its arguments, its interpolation, what it takes at a size, an even and an odd size.
TWINS = {
    'FusionFCNHead': (mmseg_heads.FCNHead, RESIZED, 'bilinear', lambda n: pyramid(LEVELS, n), 16, 27),
    'FusionSepASPPHead': (
        DepthwiseSeparableASPPHead,
        dict(HEAD, in_channels=16, in_index=1, c1_in_channels=8, c1_channels=4, dilations=(1, 2)),
        'bilinear',
        lambda n: pyramid([8, 16], n),
        16,
        27,
    ),
    'FusionLRASPPHead': (
        mmseg_heads.LRASPPHead,
        dict(
            HEAD,
            in_channels=(8, 8, 16),
            in_index=(0, 1, 2),
            input_transform='multiple_select',
            branch_channels=(4, 4),
        ),
        'bilinear',
        lambda n: pyramid([8, 8, 16], n),
        200,
        203,
    ),
    'FusionHRFPN': (
        mmdet_necks.HRFPN,
        dict(in_channels=LEVELS, out_channels=8),
        'bilinear',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionYOLOV3Neck': (
        mmdet_necks.YOLOV3Neck,
        dict(num_scales=3, in_channels=[24, 16, 8], out_channels=[16, 8, 4]),
        'nearest',
        lambda n: pyramid([8, 16, 24], n),
        16,
        27,
    ),
    'FusionFPNDropBlock': (
        mmdet_necks.FPN_DropBlock,
        dict(
            in_channels=LEVELS,
            out_channels=8,
            num_outs=5,
            plugin=dict(type='mmdet.DropBlock', drop_prob=0.3, block_size=3, warmup_iters=0),
        ),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionPAFPN': (
        mmdet_necks.PAFPN,
        dict(in_channels=LEVELS, out_channels=8, num_outs=5, start_level=1, add_extra_convs='on_output', norm_cfg=BN),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionJPU': (
        mmseg_necks.JPU,
        dict(in_channels=(8, 16, 24), mid_channels=8, start_level=1, dilations=(1, 2)),
        'bilinear',
        lambda n: pyramid([8, 16, 24], n),
        16,
        27,
    ),
    'FusionICNeck': (
        mmseg_necks.ICNeck,
        dict(in_channels=(8, 16, 24), out_channels=8),
        'bilinear',
        lambda n: pyramid([8, 16, 24], n),
        16,
        27,
    ),
    'FusionUNet': (mmseg_backbones.UNet, UNET, 'bilinear', image, 16, 27),
    'FusionBiSeNetV1': (
        mmseg_backbones.BiSeNetV1,
        dict(backbone_cfg=RESNET, context_channels=(16, 32, 64), spatial_channels=(8, 8, 8, 16), out_channels=32),
        'nearest',
        image,
        64,
        91,
    ),
    'FusionSTDCContextPathNet': (
        STDCContextPathNet,
        dict(
            backbone_cfg=STDC,
            last_in_channels=(32, 24),
            out_channels=16,
            ffm_cfg=dict(in_channels=32, out_channels=16, scale_factor=4),
        ),
        'nearest',
        image,
        64,
        91,
    ),
    'FusionBiSeNetV2': (
        mmseg_backbones.BiSeNetV2,
        dict(detail_channels=(8, 8, 16), semantic_channels=(8, 8, 8, 16), bga_channels=16),
        'bilinear',
        image,
        64,
        91,
    ),
    'FusionDDRNet': (mmseg_backbones.DDRNet, dict(channels=8, ppm_channels=8), 'bilinear', image, 64, 91),
    'FusionPIDNet': (mmseg_backbones.PIDNet, dict(channels=8, ppm_channels=8), 'bilinear', image, 64, 91),
    'FusionFastSCNN': (
        mmseg_backbones.FastSCNN,
        dict(
            downsample_dw_channels=(8, 8),
            global_in_channels=16,
            global_block_channels=(16, 16, 16),
            global_out_channels=16,
            higher_in_channels=16,
            lower_in_channels=16,
            fusion_out_channels=16,
        ),
        'bilinear',
        image,
        64,
        91,
    ),
    'FusionSETRUPHead': (
        mmseg_heads.SETRUPHead,
        dict(HEAD, in_channels=8, in_index=1, num_convs=2, up_scale=2),
        'bilinear',
        lambda n: pyramid([8, 8], n),
        16,
        27,
    ),
    'FusionSETRMLAHead': (
        mmseg_heads.SETRMLAHead,
        dict(HEAD, in_channels=(8, 16), in_index=(0, 1), mla_channels=4),
        'bilinear',
        lambda n: pyramid([8, 16], n)[:1] + [torch.randn(2, 16, n, n + 8)],
        16,
        27,
    ),
    'FusionHRNet': (mmseg_backbones.HRNet, dict(extra=HRNET), 'bilinear', image, 64, 91),
    'FusionDetHRNet': (mmdet_backbones.HRNet, dict(extra=HRNET), 'nearest', image, 64, 91),
    'FusionERFNet': (
        mmseg_backbones.ERFNet,
        dict(
            enc_downsample_channels=(8, 16, 24),
            enc_stage_non_bottlenecks=(1, 1),
            enc_non_bottleneck_dilations=(2,),
            enc_non_bottleneck_channels=(16, 24),
            dec_upsample_channels=(16, 8),
            dec_stages_non_bottleneck=(1, 1),
            dec_non_bottleneck_channels=(16, 8),
        ),
        'deconv',
        image,
        64,
        91,
    ),
    'FusionCLRFPN': (
        mmdet_necks.CLRFPN,
        dict(in_channels=LEVELS[:3], out_channels=8, num_outs=2, start_level=1, end_level=3, attention=False),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionFPG': (mmdet_necks.FPG, FPG, 'nearest', lambda n: pyramid(LEVELS, n), 16, 27),
    'FusionNASFPN': (
        mmdet_necks.NASFPN,
        dict(in_channels=LEVELS, out_channels=8, num_outs=5, stack_times=2, start_level=1, norm_cfg=BN),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        64,
        91,
    ),
    'FusionNASFCOSFPN': (
        mmdet_necks.NASFCOS_FPN,
        dict(in_channels=LEVELS, out_channels=8, num_outs=5, add_extra_convs=True, norm_cfg=BN),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionCTResNetNeck': (
        mmdet_necks.CTResNetNeck,
        dict(in_channels=16, num_deconv_filters=(8, 8), num_deconv_kernels=(4, 4), use_dcn=False),
        'deconv',
        lambda n: pyramid([8, 16], n),
        16,
        27,
    ),
    'FusionDPTHead': (
        mmseg_heads.DPTHead,
        dict(
            HEAD,
            in_channels=(8,) * 4,
            in_index=(0, 1, 2, 3),
            input_transform='multiple_select',
            embed_dims=8,
            post_process_channels=[4, 8, 8, 8],
            readout_type='project',
        ),
        'bilinear',
        tokens,
        8,
        7,
    ),
    'FusionHourglassNet': (
        mmdet_backbones.HourglassNet,
        dict(
            downsample_times=2,
            num_stacks=2,
            stage_channels=(8, 8, 16),
            stage_blocks=(1, 1, 1),
            feat_channel=8,
        ),
        'nearest',
        image,
        64,
        91,
    ),
}
MAPS = [name for name, twin in TWINS.items() if twin[3] not in (image, tokens) and 'SETR' not in name]
#: The necks that are an FPN, and speak as one.
FPNS = ['FusionFPNDropBlock', 'FusionPAFPN', 'FusionCLRFPN']
SIZED = dict(type='FreqFusion', compressed_channels=8)


@pytest.fixture(autouse=True)
def mmseg_scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance('test_twins', scope_name='mmseg')
        yield


def build(name, **changes):
    return MODELS.build(dict(copy.deepcopy(TWINS[name][1]), type=name, **changes))


def flat(outs):
    return [outs] if isinstance(outs, torch.Tensor) else [out for part in outs for out in flat(part)]


@pytest.mark.parametrize('name', TWINS)
def test_with_its_interpolation_it_is_the_stock_module(name):
    cls, options, interpolation, make, even, _ = TWINS[name]
    stock = cls(**copy.deepcopy(options))
    ours = build(name, upsample_cfg=dict(type=interpolation))
    assert list(ours.state_dict()) == list(stock.state_dict())
    ours.load_state_dict(stock.state_dict())
    inputs = make(even)
    for training in (False, True):
        outs = []
        for module in (stock, ours):
            torch.manual_seed(0)  # DropBlock, dropout
            module.train(training)
            outs.append(flat(module(inputs)))
        assert len(outs[0]) == len(outs[1])
        assert all(torch.equal(theirs, mine) for theirs, mine in zip(*outs))


@pytest.mark.parametrize('align_corners', [True, False])
@pytest.mark.parametrize(
    'name', ['FusionFCNHead', 'FusionSepASPPHead', 'FusionLRASPPHead', 'FusionJPU', 'FusionICNeck']
)
def test_it_follows_align_corners_at_odd_sizes(name, align_corners):
    cls, options, _, make, _, odd = TWINS[name]
    stock = cls(**copy.deepcopy(options), align_corners=align_corners).eval()
    ours = build(name, upsample_cfg='bilinear', align_corners=align_corners).eval()
    ours.load_state_dict(stock.state_dict())
    inputs = make(odd)
    assert all(torch.equal(*pair) for pair in zip(flat(stock(inputs)), flat(ours(inputs))))


@pytest.mark.parametrize('upsample_cfg', [SIZED, dict(type='CARAFE', compressed_channels=8)], ids=str)
@pytest.mark.parametrize('name', TWINS)
def test_odd_sizes_initialisation_and_every_gradient(name, upsample_cfg):
    module = build(name, upsample_cfg=upsample_cfg)
    before = {key: value.clone() for key, value in module.fusions.state_dict().items()}
    module.init_weights()
    after = module.fusions.state_dict()
    assert before and all(torch.equal(value, after[key]) for key, value in before.items())
    sum(out.square().mean() for out in flat(module(TWINS[name][3](TWINS[name][5])))).backward()
    assert not [key for key, weight in module.named_parameters() if weight.grad is None]


@pytest.mark.parametrize('name', MAPS)
def test_maps_that_do_not_fit_are_named(name):
    module, make = build(name, upsample_cfg='nearest'), TWINS[name][3]
    maps = make(TWINS[name][4])
    with pytest.raises(ValueError, match='FusionFPN' if name in FPNS else name):
        module([torch.rand(2, 5, *maps[0].shape[2:]) for _ in maps])


@pytest.mark.parametrize('name', TWINS)
def test_an_unknown_option_is_named(name):
    with pytest.raises(TypeError, match=f'{name} has no option upsample_cgf .did you mean upsample_cfg'):
        build(name, upsample_cgf='bilinear')


def test_heads_want_what_they_upsample():
    with pytest.raises(ValueError, match='upsamples no features'):
        build('FusionSepASPPHead', **dict(c1_in_channels=0))
    with pytest.raises(ValueError, match='upsamples no features'):
        build('FusionFCNHead', **dict(input_transform='multiple_select'))


def test_a_dropped_plugin_is_refused_with_the_twin():
    with pytest.raises(TypeError, match='the twin of FPN_DropBlock is FusionFPNDropBlock'):
        FusionFPN(in_channels=[8, 16], out_channels=8, num_outs=2, plugin=dict(type='DropBlock'))


@pytest.mark.parametrize('neck', [mmdet_necks.FPN, mmseg_necks.FPN, mmdet_necks.FPN_DropBlock])
def test_a_stock_neck_that_is_given_an_upsampler_says_who_takes_it(neck):
    with pytest.raises(TypeError, match="write neck=dict.type='FusionFPN'"):
        neck([8, 16], 8, 2, upsample_cfg=dict(type='FreqFusion'))
    with DefaultScope.overwrite_default_scope('mmdet'):
        neck([8, 16], 8, 2, upsample_cfg=dict(mode='bilinear'))


def test_fpg_goes_down_a_pathway_too():
    options = dict(
        FPG, paths=['td'] * 3, same_up_trans=None, same_down_trans=FPG['across_down_trans'], skip_inds=[()] * 4
    )
    stock = mmdet_necks.FPG(**copy.deepcopy(options)).eval()
    ours = MODELS.build(dict(copy.deepcopy(options), type='FusionFPG', upsample_cfg='nearest')).eval()
    ours.load_state_dict(stock.state_dict())
    assert len(ours.fusions) == 2 * 3 * 3
    inputs = pyramid(LEVELS, 16)
    assert all(torch.equal(*pair) for pair in zip(stock(inputs), ours(inputs)))


@pytest.mark.parametrize('name', ['FusionCTResNetNeck', 'FusionERFNet'])
def test_a_kept_deconv_takes_no_options(name):
    with pytest.raises(TypeError, match='which has no options here, got .*kernel_size'):
        build(name, upsample_cfg=dict(type='deconv', kernel_size=4))


def san(**changes):
    head = MODELS.build(dict(copy.deepcopy(SAN), type='FusionSideAdapterCLIPHead', **changes))
    torch.manual_seed(0)
    head.side_adapter_network.init_weights()
    return head


def test_side_adapter_is_the_stock_head():
    stock = mmseg_heads.SideAdapterCLIPHead(**copy.deepcopy(SAN)).eval()
    ours = san(upsample_cfg='bilinear').eval()  # its attention's dropout draws in training
    assert list(ours.state_dict()) == list(stock.state_dict())
    ours.load_state_dict(stock.state_dict())
    for size in (6, 7):
        inputs = clip(size)
        assert all(torch.equal(*pair) for pair in zip(flat(stock(*inputs)), flat(ours(*inputs))))


@pytest.mark.parametrize('upsample_cfg', [SIZED, dict(type='CARAFE', compressed_channels=8)], ids=str)
def test_side_adapter_learns_every_weight(upsample_cfg):
    head = san(upsample_cfg=upsample_cfg)
    sum(out.square().mean() for out in flat(head(*clip(7)))).backward()
    assert not [key for key, weight in head.named_parameters() if weight.requires_grad and weight.grad is None]


def test_ocr_head_is_the_stock_head():
    options = dict(RESIZED, ocr_channels=4)
    stock = mmseg_heads.OCRHead(**options).eval()
    ours = MODELS.build(dict(options, type='FusionOCRHead', upsample_cfg='bilinear')).eval()
    ours.load_state_dict(stock.state_dict())
    inputs, coarse = pyramid(LEVELS, 27), torch.randn(2, 3, 27, 35)
    assert torch.equal(stock(inputs, coarse), ours(inputs, coarse))
