# ESPNetv2 s=2.0 with SSD, EdgeNets zoo, MS-COCO, row 300x300: AP 20.8.
_base_ = [
    '../_base_/models/ssd_espnetv2-s2.0.py',
    '../_base_/datasets/coco_ssd_300x300.py',
    '../_base_/schedules/det_edgenets_240e.py',
    '../_base_/default_runtime_det.py',
]
