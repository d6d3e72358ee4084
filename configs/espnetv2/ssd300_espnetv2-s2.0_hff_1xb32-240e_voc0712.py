# ESPNetv2 s=2.0 with SSD, EdgeNets zoo, PASCAL VOC 2007, row 300x300: mAP 70.27.
_base_ = [
    '../_base_/models/ssd_espnetv2-s2.0.py',
    '../_base_/datasets/voc0712_ssd_300x300.py',
    '../_base_/schedules/det_edgenets_240e.py',
    '../_base_/default_runtime_det.py',
]
model = dict(bbox_head=dict(num_classes=20))
