# Shapes, semantic segmentation: ESPNet-C (p=2, q=3), the first stage, with hierarchical feature fusion.
_base_ = [
    '../_base_/models/espnet-c.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1000i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(depths=(2, 3), chain='dilated'),
    decode_head=dict(num_classes=12),
)
