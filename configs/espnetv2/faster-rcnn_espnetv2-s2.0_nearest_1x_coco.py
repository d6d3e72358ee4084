# Faster R-CNN with ESPNetv2 s=2.0 and an FPN; not a published row (the author's detector is an SSD).
_base_ = [
    '../_base_/models/faster-rcnn_r50_fusion-fpn.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/det_sgd_1x.py',
    '../_base_/default_runtime_det.py',
]
model = dict(
    backbone=dict(_delete_=True, type='ESPNetV2', scale=2.0, out_indices=(1, 2, 3, 4)),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
