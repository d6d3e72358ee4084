# FreqFusion (TPAMI 2024), Table IX, row Nearest R101: AP 39.4; 65.8 M parameters.
_base_ = [
    '../_base_/models/faster-rcnn_r50_fusion-fpn.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/det_sgd_1x.py',
    '../_base_/default_runtime_det.py',
]
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
