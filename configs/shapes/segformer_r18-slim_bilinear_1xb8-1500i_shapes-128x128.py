# Shapes, semantic segmentation: SegFormer's head on a narrow ResNet-18, sized for two CPU cores;
# the baseline.
_base_ = [
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1500i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.5, 127.5, 127.5],
        std=[64.0, 64.0, 64.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(128, 128),
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
    decode_head=dict(
        type='FusionSegformerHead',
        upsample_cfg=dict(type='bilinear'),
        in_channels=[16, 32, 64, 128],
        in_index=[0, 1, 2, 3],
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
