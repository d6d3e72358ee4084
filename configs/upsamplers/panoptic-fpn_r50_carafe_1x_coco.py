# CARAFE in Panoptic FPN on COCO: published PQ 40.8, SQ 78.2, RQ 50 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/carafe.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
