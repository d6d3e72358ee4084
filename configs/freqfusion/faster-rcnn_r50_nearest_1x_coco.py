# FreqFusion (TPAMI 2024), Table IX, row Nearest R50: AP 37.5; 46.8 M parameters, which count the
# extra level fused as in the released FreqFusion configs.
_base_ = [
    '../_base_/models/faster-rcnn_r50_fusion-fpn.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/det_sgd_1x.py',
    '../_base_/default_runtime_det.py',
]
