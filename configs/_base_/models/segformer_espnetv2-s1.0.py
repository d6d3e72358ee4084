# SegFormer's MLP head on ESPNetv2 (s = 1.0), strides 4, 8 and 16.
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='ESPNetV2', scale=1.0, out_indices=(1, 2, 3)),
    decode_head=dict(
        type='FusionSegformerHead',
        upsample_cfg=dict(type='bilinear'),
        in_channels=[64, 128, 256],
        in_index=[0, 1, 2],
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
