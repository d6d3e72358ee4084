# Shapes, semantic segmentation: ESPNetv2 (s=0.5) with the CVPR code's decoder and hierarchical feature fusion.
_base_ = [
    '../_base_/models/eespnet-seg.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1000i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(num_classes=12),
)
