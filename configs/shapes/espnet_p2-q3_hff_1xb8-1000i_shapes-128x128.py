# Shapes, semantic segmentation: ESPNet (p=2, q=3) with hierarchical feature fusion.
_base_ = [
    '../_base_/models/espnet.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1000i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[64.0, 64.0, 64.0], size=(128, 128)),
    backbone=dict(depths=(2, 3), chain='dilated'),
    decode_head=dict(num_classes=12, chain='dilated'),
)
