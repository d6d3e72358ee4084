# BTS with ResNet-50, up to 10 m, as in the comparison of SAPA: 512 channels in its first step. The first convolution
# and the norms of the encoder are frozen.
model = dict(
    type='DepthEstimator',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=0,
        size=(480, 480),
    ),
    backbone=dict(
        type='ResNetWithStem',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=0,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=False,
        style='pytorch',
        # the torchvision package looks the address up; without it, give the path of a local file
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    decode_head=dict(
        type='FusionBTSHead',
        upsample_cfg=dict(type='nearest'),
        in_channels=[64, 256, 512, 1024, 2048],
        channels=512,
        max_depth=10.0,
        loss_decode=dict(type='SiLogLoss', loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
