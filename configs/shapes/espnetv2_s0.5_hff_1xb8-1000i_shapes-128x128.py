# Shapes, semantic segmentation: ESPNetv2 (s=0.5) with EdgeNets' decoder and hierarchical feature fusion.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1000i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[64.0, 64.0, 64.0], size=(128, 128)),
    backbone=dict(scale=0.5, chain='all'),
    decode_head=dict(in_channels=[16, 32, 64, 128], num_classes=12),
)
