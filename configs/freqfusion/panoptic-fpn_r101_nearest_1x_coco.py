# FreqFusion (TPAMI 2024), Table XI, row Nearest R101: PQ 42.2, 65.0 M parameters.
_base_ = [
    '../_base_/models/panoptic-fpn_r50_fusion-fpn.py',
    '../_base_/datasets/coco_panoptic.py',
    '../_base_/schedules/det_sgd_1x.py',
    '../_base_/default_runtime_det.py',
]
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
visualizer = dict(type='PanopticVisualizer')
