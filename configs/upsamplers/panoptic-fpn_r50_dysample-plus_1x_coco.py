# DySample+ in Panoptic FPN on COCO: published PQ 41.5, SQ 78.3, RQ 50.7 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/dysample-plus.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
