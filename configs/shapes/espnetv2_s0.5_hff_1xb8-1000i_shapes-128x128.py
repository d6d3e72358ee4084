# Shapes, semantic segmentation: ESPNetv2 (s=0.5) with EdgeNets' decoder and hierarchical feature fusion.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1000i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(scale=0.5, chain='all'),
    decode_head=dict(in_channels=[16, 32, 64, 128], num_classes=12),
)
