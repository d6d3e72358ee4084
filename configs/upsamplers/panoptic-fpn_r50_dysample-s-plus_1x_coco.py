# DySample-S+ in Panoptic FPN on COCO: published PQ 41.1, SQ 78.2, RQ 50.2 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/dysample-s-plus.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
