# Shapes, object detection: the baseline (see projects/shapes; no published table).
_base_ = [
    '../_base_/models/shapes_faster-rcnn_r18.py',
    '../_base_/datasets/shapes_detection.py',
    '../_base_/schedules/shapes_det_12e.py',
]
