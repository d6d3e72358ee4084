"""Every module with a stock original in mmdet or mmseg, in a size for tests: the stock class, and what it takes."""

from typing import Any, NamedTuple

import mmdet.models.backbones as mmdet_backbones
import mmdet.models.dense_heads as mmdet_dense_heads
import mmdet.models.necks as mmdet_necks
import mmdet.models.roi_heads.mask_heads as mmdet_mask_heads
import mmseg.models.backbones as mmseg_backbones
import mmseg.models.decode_heads as mmseg_heads
import mmseg.models.necks as mmseg_necks
import torch
from mmdet.models.seg_heads import PanopticFPNHead
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from mmseg.models.backbones.stdc import STDCContextPathNet
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPHead

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


FREE_LOSS = dict(type='mmdet.CrossEntropyLoss', use_mask=True)
MASK = dict(num_convs=2, in_channels=8, conv_out_channels=8, num_classes=3, loss_mask=FREE_LOSS)
DYNAMIC = dict(
    MASK,
    dynamic_conv_cfg=dict(
        type='mmdet.DynamicConv',
        in_channels=8,
        feat_channels=4,
        out_channels=8,
        input_feat_shape=7,
        with_proj=False,
        act_cfg=dict(type='ReLU', inplace=True),
        norm_cfg=dict(type='LN'),
    ),
    loss_mask=dict(type='mmdet.DiceLoss', loss_weight=8.0),
)
RFP = dict(
    in_channels=[16, 32, 64, 128],
    out_channels=8,
    num_outs=5,
    rfp_steps=2,
    aspp_out_channels=2,
    aspp_dilations=(1, 3, 6, 1),
    rfp_backbone=dict(
        rfp_inplanes=8,
        type='mmdet.DetectoRS_ResNet',
        depth=50,
        base_channels=4,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        norm_cfg=BN,
        norm_eval=True,
        conv_cfg=dict(type='ConvAWS'),
    ),
)
SEMANTIC = dict(
    num_ins=4,
    fusion_level=1,
    num_convs=2,
    in_channels=8,
    conv_out_channels=8,
    num_classes=3,
    loss_seg=dict(type='mmdet.CrossEntropyLoss', ignore_index=255),
)
SOLO = dict(
    num_classes=3,
    in_channels=8,
    feat_channels=8,
    stacked_convs=1,
    strides=[8, 8, 16, 32, 32],
    scale_ranges=((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048)),
    num_grids=[5, 4, 3, 2, 2],
    cls_down_index=0,
    loss_mask=dict(type='mmdet.DiceLoss', use_sigmoid=True, loss_weight=3.0),
    loss_cls=dict(type='mmdet.FocalLoss', use_sigmoid=True),
    norm_cfg=dict(type='GN', num_groups=2),
)
SOLO_V2 = dict(
    SOLO,
    mask_feature_head=ConfigDict(feat_channels=8, start_level=0, end_level=3, out_channels=8, mask_stride=4),
)
RTMDET_INS = dict(
    num_classes=3,
    in_channels=8,
    feat_channels=8,
    stacked_convs=1,
    share_conv=True,
    pred_kernel_size=1,
    num_prototypes=4,
    dyconv_channels=4,
    norm_cfg=BN,
    act_cfg=dict(type='ReLU', inplace=True),
    anchor_generator=dict(type='mmdet.MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
    bbox_coder=dict(type='mmdet.DistancePointBBoxCoder'),
    loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True),
    loss_bbox=dict(type='mmdet.GIoULoss'),
    loss_mask=dict(type='mmdet.DiceLoss', reduction='mean'),
)


class Args(tuple):
    """Several arguments of a module."""


def call(module, inputs):
    """The outputs of a module of what `Small.inputs` makes, flat."""
    return flat(module(*inputs) if isinstance(inputs, Args) else module(inputs))


def flat(outs):
    if isinstance(outs, torch.Tensor):
        return [outs]
    parts = outs.values() if isinstance(outs, dict) else outs
    return [out for part in parts or () for out in flat(part)]


def pyramid(channels, size):
    """Maps, fine to coarse, of half the size each, rounded up; an even size has 8 as a factor."""
    return [torch.randn(2, width, -(-size // 2**i), -(-(size + 8) // 2**i)) for i, width in enumerate(channels)]


def image(size):
    return torch.randn(2, 3, size, size + 32)


def clip(size):
    """An image with three maps of CLIP's, each with its class token, coarser than the tokens; the classes' names."""
    coarse = [(torch.randn(2, 12, -(-size // 2), size // 2), torch.randn(2, 12)) for _ in range(3)]
    return Args([(torch.randn(2, 3, 16 * size, 16 * size), coarse, torch.randn(4, 8)), []])


def tokens(size):
    """Four maps of a plain transformer with their class tokens."""
    return [(torch.randn(2, 8, size, size), torch.randn(2, 8)) for _ in range(4)]


def levels(count):
    """The maps of a pyramid neck."""
    return lambda size: pyramid([8] * count, size)


def prototypes(size):
    """A map, and three instances' coefficients in each image."""
    return Args([pyramid([8], size), [InstanceData(coeffs=torch.randn(3, 4)) for _ in range(2)]])


def regions(size):
    return torch.randn(5, 8, 7, 7)


def regions_and(other):
    return lambda size: Args([regions(size), torch.randn(*other)])


def with_image(size):
    """An image before a pyramid of a quarter of its size."""
    return [torch.randn(2, 3, 4 * size, 4 * (size + 8)), *pyramid(RFP['in_channels'], size)]


def with_logits(size):
    return Args([pyramid(LEVELS, size), torch.randn(2, 3, size, size + 8)])


class Small(NamedTuple):
    """A stock class, its arguments, its interpolation, what it takes at a size, an even and an odd size."""

    stock: type | None  # None where the installed framework lacks it
    options: dict[str, Any]
    interpolation: str
    inputs: Any
    even: int = 16
    odd: int = 27


#: our name -> its stock module.
TWINS = {
    'FusionFCNHead': Small(mmseg_heads.FCNHead, RESIZED, 'bilinear', lambda n: pyramid(LEVELS, n), 16, 27),
    'FusionSepASPPHead': Small(
        DepthwiseSeparableASPPHead,
        dict(HEAD, in_channels=16, in_index=1, c1_in_channels=8, c1_channels=4, dilations=(1, 2)),
        'bilinear',
        lambda n: pyramid([8, 16], n),
        16,
        27,
    ),
    'FusionLRASPPHead': Small(
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
    'FusionHRFPN': Small(
        mmdet_necks.HRFPN,
        dict(in_channels=LEVELS, out_channels=8),
        'bilinear',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionYOLOV3Neck': Small(
        mmdet_necks.YOLOV3Neck,
        dict(num_scales=3, in_channels=[24, 16, 8], out_channels=[16, 8, 4]),
        'nearest',
        lambda n: pyramid([8, 16, 24], n),
        16,
        27,
    ),
    'FusionFPNDropBlock': Small(
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
    'FusionPAFPN': Small(
        mmdet_necks.PAFPN,
        dict(in_channels=LEVELS, out_channels=8, num_outs=5, start_level=1, add_extra_convs='on_output', norm_cfg=BN),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionJPU': Small(
        mmseg_necks.JPU,
        dict(in_channels=(8, 16, 24), mid_channels=8, start_level=1, dilations=(1, 2)),
        'bilinear',
        lambda n: pyramid([8, 16, 24], n),
        16,
        27,
    ),
    'FusionICNeck': Small(
        mmseg_necks.ICNeck,
        dict(in_channels=(8, 16, 24), out_channels=8),
        'bilinear',
        lambda n: pyramid([8, 16, 24], n),
        16,
        27,
    ),
    'FusionUNet': Small(mmseg_backbones.UNet, UNET, 'bilinear', image, 16, 27),
    'FusionBiSeNetV1': Small(
        mmseg_backbones.BiSeNetV1,
        dict(backbone_cfg=RESNET, context_channels=(16, 32, 64), spatial_channels=(8, 8, 8, 16), out_channels=32),
        'nearest',
        image,
        64,
        91,
    ),
    'FusionSTDCContextPathNet': Small(
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
    'FusionBiSeNetV2': Small(
        mmseg_backbones.BiSeNetV2,
        dict(detail_channels=(8, 8, 16), semantic_channels=(8, 8, 8, 16), bga_channels=16),
        'bilinear',
        image,
        64,
        91,
    ),
    'FusionDDRNet': Small(mmseg_backbones.DDRNet, dict(channels=8, ppm_channels=8), 'bilinear', image, 64, 91),
    'FusionPIDNet': Small(mmseg_backbones.PIDNet, dict(channels=8, ppm_channels=8), 'bilinear', image, 64, 91),
    'FusionFastSCNN': Small(
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
    'FusionSETRUPHead': Small(
        mmseg_heads.SETRUPHead,
        dict(HEAD, in_channels=8, in_index=1, num_convs=2, up_scale=2),
        'bilinear',
        lambda n: pyramid([8, 8], n),
        16,
        27,
    ),
    'FusionSETRMLAHead': Small(
        mmseg_heads.SETRMLAHead,
        dict(HEAD, in_channels=(8, 16), in_index=(0, 1), mla_channels=4),
        'bilinear',
        lambda n: pyramid([8, 16], n)[:1] + [torch.randn(2, 16, n, n + 8)],
        16,
        27,
    ),
    'FusionHRNet': Small(mmseg_backbones.HRNet, dict(extra=HRNET), 'bilinear', image, 64, 91),
    'FusionDetHRNet': Small(mmdet_backbones.HRNet, dict(extra=HRNET), 'nearest', image, 64, 91),
    'FusionERFNet': Small(
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
    'FusionCLRFPN': Small(
        getattr(mmdet_necks, 'CLRFPN', None),  # mmdet 3.3.0 does not export it
        dict(in_channels=LEVELS[:3], out_channels=8, num_outs=2, start_level=1, end_level=3, attention=False),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionFPG': Small(mmdet_necks.FPG, FPG, 'nearest', lambda n: pyramid(LEVELS, n), 16, 27),
    'FusionNASFPN': Small(
        mmdet_necks.NASFPN,
        dict(in_channels=LEVELS, out_channels=8, num_outs=5, stack_times=2, start_level=1, norm_cfg=BN),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        64,
        91,
    ),
    'FusionNASFCOSFPN': Small(
        mmdet_necks.NASFCOS_FPN,
        dict(in_channels=LEVELS, out_channels=8, num_outs=5, add_extra_convs=True, norm_cfg=BN),
        'nearest',
        lambda n: pyramid(LEVELS, n),
        16,
        27,
    ),
    'FusionCTResNetNeck': Small(
        mmdet_necks.CTResNetNeck,
        dict(in_channels=16, num_deconv_filters=(8, 8), num_deconv_kernels=(4, 4), use_dcn=False),
        'deconv',
        lambda n: pyramid([8, 16], n),
        16,
        27,
    ),
    'FusionDPTHead': Small(
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
    'FusionHourglassNet': Small(
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
    'FusionOCRHead': Small(mmseg_heads.OCRHead, dict(RESIZED, ocr_channels=4), 'bilinear', with_logits),
    'FusionSideAdapterCLIPHead': Small(mmseg_heads.SideAdapterCLIPHead, SAN, 'bilinear', clip, 6, 7),
    'FusionPSAHead': Small(
        mmseg_heads.PSAHead,
        dict(HEAD, in_channels=8, in_index=0, mask_size=(9, 9), psa_softmax=True),
        'bilinear',
        lambda n: pyramid([8], n),
    ),
    'FusionMultiLevelNeck': Small(
        mmseg_necks.MultiLevelNeck,
        dict(in_channels=[8, 8, 8], out_channels=8, scales=[4, 2, 0.5]),
        'bilinear',
        lambda n: [torch.randn(2, 8, n, n) for _ in range(3)],
        6,
        7,
    ),
    'FusionFeature2Pyramid': Small(
        mmseg_necks.Feature2Pyramid,
        dict(embed_dim=8, norm_cfg=BN),
        'deconv',
        lambda n: [torch.randn(2, 8, n, n) for _ in range(4)],
        6,
        7,
    ),
    'FusionYOLOXPAFPN': Small(
        mmdet_necks.YOLOXPAFPN,
        dict(in_channels=[8, 16, 24], out_channels=8, num_csp_blocks=1),
        'nearest',
        lambda n: pyramid([8, 16, 24], n),
    ),
    'FusionCSPNeXtPAFPN': Small(
        mmdet_necks.CSPNeXtPAFPN,
        dict(in_channels=[8, 16, 24], out_channels=8, num_csp_blocks=1),
        'nearest',
        lambda n: pyramid([8, 16, 24], n),
    ),
    'FusionRFP': Small(mmdet_necks.RFP, RFP, 'nearest', with_image, 32, 27),
    'FusionBFP': Small(
        mmdet_necks.BFP, dict(in_channels=8, num_levels=4, refine_level=1, refine_type='conv'), 'nearest', levels(4)
    ),
    'FusionDyHead': Small(
        mmdet_necks.DyHead,
        dict(in_channels=8, out_channels=16, num_blocks=2),  # which its norm has groups of
        'bilinear',
        levels(3),
    ),
    'FusionFusedSemanticHead': Small(mmdet_mask_heads.FusedSemanticHead, SEMANTIC, 'bilinear', levels(4)),
    'FusionSCNetSemanticHead': Small(mmdet_mask_heads.SCNetSemanticHead, SEMANTIC, 'bilinear', levels(4)),
    'FusionPanopticFPNHead': Small(
        PanopticFPNHead,
        dict(
            num_things_classes=2,
            num_stuff_classes=2,
            in_channels=8,
            inner_channels=8,
            norm_cfg=dict(type='GN', num_groups=2),
            loss_seg=dict(type='mmdet.CrossEntropyLoss', ignore_index=-1),
        ),
        'bilinear',
        levels(4),
    ),
    'FusionSOLOHead': Small(mmdet_dense_heads.SOLOHead, SOLO, 'bilinear', levels(5)),
    'FusionDecoupledSOLOHead': Small(mmdet_dense_heads.DecoupledSOLOHead, SOLO, 'bilinear', levels(5)),
    'FusionDecoupledSOLOLightHead': Small(mmdet_dense_heads.DecoupledSOLOLightHead, SOLO, 'bilinear', levels(5)),
    'FusionSOLOV2Head': Small(mmdet_dense_heads.SOLOV2Head, SOLO_V2, 'bilinear', levels(5)),
    'FusionRTMDetInsSepBNHead': Small(mmdet_dense_heads.RTMDetInsSepBNHead, RTMDET_INS, 'bilinear', levels(3)),
    'FusionYOLACTProtonet': Small(
        mmdet_dense_heads.YOLACTProtonet,
        dict(
            num_classes=3,
            in_channels=8,
            proto_channels=(8, None, 8, 4),
            proto_kernel_sizes=(3, -2, 3, 1),
            num_protos=4,
            loss_segm=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
        ),
        'bilinear',
        prototypes,
    ),
    'FusionFCNMaskHead': Small(mmdet_mask_heads.FCNMaskHead, MASK, 'deconv', regions),
    'FusionHTCMaskHead': Small(mmdet_mask_heads.HTCMaskHead, MASK, 'deconv', regions_and((5, 8, 7, 7))),
    'FusionSCNetMaskHead': Small(mmdet_mask_heads.SCNetMaskHead, MASK, 'deconv', regions),
    'FusionDynamicMaskHead': Small(mmdet_mask_heads.DynamicMaskHead, DYNAMIC, 'deconv', regions_and((5, 8))),
    'FusionGridHead': Small(
        mmdet_mask_heads.GridHead,
        dict(
            grid_points=9,
            num_convs=1,
            roi_feat_size=7,
            in_channels=8,
            point_feat_channels=4,
            norm_cfg=dict(type='GN', num_groups=9),
            loss_grid=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
        ),
        'deconv',
        regions,
    ),
    'FusionFeatureRelayHead': Small(
        mmdet_mask_heads.FeatureRelayHead,
        dict(in_channels=8, out_conv_channels=8),
        'bilinear',
        lambda n: torch.randn(5, 8),
    ),
}
