# A linear classifier on ESPNetv2's (s = 1.0) stride-16 features, upsampled by 8 before it; the guide is the image.
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='ESPNetV2WithImage', scale=1.0, out_indices=(3,)),
    decode_head=dict(
        type='ImageGuidedFCNHead',
        upsample_cfg=dict(type='bilinear'),
        guide_strides=(2, 1),
        in_channels=256,
        channels=64,
        num_convs=1,
        kernel_size=1,
        concat_input=False,
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
