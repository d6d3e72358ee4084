# ESPNetv2 with EdgeNets' decoder, s = 2.0, 20 classes: 19 and the unlabelled, which weighs nothing.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(512, 1024),
    ),
    # The recipe starts from the author's ImageNet weights, which load as they are:
    # model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE).
    backbone=dict(type='ESPNetV2', scale=2.0, out_indices=(0, 1, 2, 3), chain='all'),
    decode_head=dict(
        type='ESPNetV2Head',
        in_channels=[32, 128, 256, 512],
        in_index=[0, 1, 2, 3],
        channels=32,
        num_classes=20,
        align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
