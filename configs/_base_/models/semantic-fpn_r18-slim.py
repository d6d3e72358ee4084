# Semantic FPN on a narrow ResNet-18 from scratch, for Shapes; the row gives the pictures' statistics.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='ResNetV1c',
        depth=18,
        stem_channels=16,
        base_channels=16,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN'),
        norm_eval=False,
        style='pytorch',
    ),
    neck=dict(
        type='FusionFPN', upsample_cfg=dict(type='nearest'), in_channels=[16, 32, 64, 128], out_channels=48, num_outs=4
    ),
    decode_head=dict(
        type='FusionSemanticFPNHead',
        upsample_cfg=dict(type='bilinear'),
        in_channels=[48, 48, 48, 48],
        in_index=[0, 1, 2, 3],
        feature_strides=[4, 8, 16, 32],
        channels=32,
        dropout_ratio=0.0,
        num_classes=12,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
