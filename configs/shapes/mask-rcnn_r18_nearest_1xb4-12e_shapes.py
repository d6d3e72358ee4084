# Shapes, instance segmentation: the baseline (see projects/shapes; no published table).
_base_ = [
    '../_base_/models/mask-rcnn_r18_shapes.py',
    '../_base_/datasets/shapes_instance.py',
    '../_base_/schedules/det_shapes_12e.py',
]
