# ESPNet with its light-weight decoder, the skip of the Cityscapes weights; 20 classes: 19 and the unlabelled.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # The author's input: BGR; mean and std, and the result divided by 255, which the std takes up here.
        mean=[72.3923111, 82.90893555, 73.15840149],
        std=[45.3192215 * 255, 46.15289307 * 255, 44.91483307 * 255],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size=(512, 1024),
    ),
    backbone=dict(type='ESPNet', depths=(2, 8), fine_map='stem', chain='dilated'),
    decode_head=dict(
        type='ESPNetHead',
        in_channels=[16, 131, 256],
        in_index=[0, 1, 2],
        channels=20,
        num_classes=20,
        chain='dilated',
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
