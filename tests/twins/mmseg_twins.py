"""Modules of mmseg with a twin, in small: the stock class, and what it takes."""

import mmseg.models.backbones as mmseg_backbones
import mmseg.models.decode_heads as mmseg_heads
import mmseg.models.necks as mmseg_necks
import torch
from mmengine.config import ConfigDict
from mmseg.models.backbones.stdc import STDCContextPathNet
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPHead

from .inputs import BN, HRNET, LEVELS, Small, clip, image, pyramid, tokens, with_logits

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
}
