# FreqFusion (TPAMI 2024), Table X, row Nearest R101: box AP 40.0, mask AP 36.0.
_base_ = [
    '../_base_/models/mask-rcnn_r50_fusion-fpn.py',
    '../_base_/datasets/coco_instance.py',
    '../_base_/schedules/det_sgd_1x.py',
    '../_base_/default_runtime_det.py',
]
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
