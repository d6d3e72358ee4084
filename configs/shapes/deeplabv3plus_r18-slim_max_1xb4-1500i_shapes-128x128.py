# Shapes, semantic segmentation: a narrow DeepLabV3+, sized for a CPU core; the baseline, max pooling and strided
# convolutions.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1500i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[64.0, 64.0, 64.0], size=(128, 128)),
    backbone=dict(depth=18, base_channels=16, init_cfg=None),
    decode_head=dict(
        in_channels=128,
        channels=32,
        dilations=(1, 2, 4, 6),
        c1_in_channels=16,
        c1_channels=16,
        dropout_ratio=0.0,
        num_classes=12,
        norm_cfg=dict(type='BN'),
    ),
)
train_dataloader = dict(batch_size=4)
