# Shapes, instance segmentation: the baseline (see projects/shapes; no published table).
_base_ = [
    '../_base_/models/shapes_mask-rcnn_r18.py',
    '../_base_/datasets/shapes_instance.py',
    '../_base_/schedules/shapes_det_12e.py',
]
