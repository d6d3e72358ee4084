# ESPNetv2 with the decoder of the CVPR code, s = 0.5; its input is ESPNet's.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[72.3923111, 82.90893555, 73.15840149],
        std=[45.3192215 * 255, 46.15289307 * 255, 44.91483307 * 255],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size=(512, 1024),
    ),
    backbone=dict(type='ESPNetV2', scale=0.5, out_indices=(0, 1, 2, 3), chain='all'),
    decode_head=dict(
        type='EESPNetSegHead',
        in_channels=[16, 32, 64, 128],
        in_index=[0, 1, 2, 3],
        channels=20,
        num_classes=20,
        dropout_ratio=0.1,
        chain='all',
        align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
