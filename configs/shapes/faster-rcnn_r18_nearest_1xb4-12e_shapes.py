# Shapes, object detection: the baseline (see projects/shapes; no published table).
_base_ = [
    '../_base_/models/faster-rcnn_r18_shapes.py',
    '../_base_/datasets/shapes_detection.py',
    '../_base_/schedules/det_shapes_12e.py',
]
