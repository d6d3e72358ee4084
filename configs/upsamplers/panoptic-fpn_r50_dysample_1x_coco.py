# DySample in Panoptic FPN on COCO: published PQ 41.4, SQ 78.6, RQ 50.7 (DySample README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/dysample.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
