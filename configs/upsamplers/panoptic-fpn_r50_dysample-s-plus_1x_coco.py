# DySample-S+ in Panoptic FPN on COCO: published PQ 41.1, SQ 78.2, RQ 50.2.
_base_ = '../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py'
model = dict(neck=dict(upsample_cfg=dict(type='DySample', style='pl', groups=8, dynamic_scope=True)))
