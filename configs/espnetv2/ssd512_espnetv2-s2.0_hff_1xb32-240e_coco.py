# ESPNetv2 s=2.0 with SSD, EdgeNets zoo, MS-COCO, row 512x512: AP 24.54.
_base_ = [
    '../_base_/models/ssd_espnetv2-s2.0.py',
    '../_base_/datasets/coco_ssd_512x512.py',
    '../_base_/schedules/det_edgenets_240e.py',
    '../_base_/default_runtime_det.py',
]
anchors = dict(
    strides=[8, 16, 32, 64, 128, 512],
    min_sizes=[52, 133, 214, 295, 376, 457],
    max_sizes=[133, 214, 295, 376, 457, 538],
)
model = dict(bbox_head=dict(anchor_generator=anchors))
