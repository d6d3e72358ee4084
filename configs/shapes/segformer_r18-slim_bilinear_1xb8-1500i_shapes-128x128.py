# Shapes, semantic segmentation: SegFormer's head on a narrow ResNet-18, sized for two CPU cores; the baseline.
_base_ = [
    '../_base_/models/segformer_r18-slim.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1500i.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor)
