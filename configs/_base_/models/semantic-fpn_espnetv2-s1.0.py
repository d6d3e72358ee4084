# Semantic FPN on ESPNetv2 (s = 1.0), strides 4, 8 and 16; the upsampling of the pyramid is chosen.
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='ESPNetV2', scale=1.0, out_indices=(1, 2, 3)),
    neck=dict(
        type='FusionFPN', upsample_cfg=dict(type='nearest'), in_channels=[64, 128, 256], out_channels=64, num_outs=3
    ),
    decode_head=dict(
        type='FPNHead',
        in_channels=[64, 64, 64],
        in_index=[0, 1, 2],
        feature_strides=[4, 8, 16],
        channels=64,
        dropout_ratio=0.1,
        num_classes=11,
        ignore_index=11,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
