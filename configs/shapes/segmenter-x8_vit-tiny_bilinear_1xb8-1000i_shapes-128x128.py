# Shapes, semantic segmentation: a narrow ViT/16, x8 to 1/2 before the classifier; the baseline.
_base_ = [
    '../_base_/models/segmenter_vit-tiny.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1000i.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, decode_head=dict(guide_strides=(2, 1)))
