"""Modules of mmdet with a twin, in small: the stock class, and what it takes."""

import mmdet.models.backbones as mmdet_backbones
import mmdet.models.dense_heads as mmdet_dense_heads
import mmdet.models.necks as mmdet_necks
import mmdet.models.roi_heads.mask_heads as mmdet_mask_heads
import torch
from mmdet.models.seg_heads import PanopticFPNHead
from mmengine.config import ConfigDict

from .inputs import BN, HRNET, LEVELS, Small, image, levels, prototypes, pyramid, regions, regions_and, with_image

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

#: our name -> its stock module.
TWINS = {
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
    'FusionDetHRNet': Small(mmdet_backbones.HRNet, dict(extra=HRNET), 'nearest', image, 64, 91),
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
