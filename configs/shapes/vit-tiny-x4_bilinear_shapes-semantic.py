# Shapes, semantic segmentation: a narrow ViT/16, x4 to 1/4 before the classifier; the baseline.
_base_ = [
    '../_base_/datasets/shapes_semantic.py', '../_base_/schedules/seg_shapes.py',
    '../_base_/default_runtime.py'
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
        size=(128, 128)),
    backbone=dict(
        type='VisionTransformerWithImage',
        img_size=(128, 128),
        patch_size=16,
        in_channels=3,
        embed_dims=96,
        num_layers=4,
        num_heads=3,
        drop_path_rate=0.0,
        final_norm=True,
        norm_cfg=dict(type='LN', eps=1e-6),
        with_cls_token=True,
        interpolate_mode='bicubic'),
    decode_head=dict(
        type='ImageGuidedFCNHead',
        upsample_cfg=dict(type='bilinear'),
        guide_strides=(2, 2),
        in_channels=96,
        channels=96,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=12,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
