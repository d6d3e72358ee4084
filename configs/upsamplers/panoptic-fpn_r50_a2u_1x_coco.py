# A2U in Panoptic FPN on COCO: published PQ 40.1, SQ 77.3, RQ 48 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/a2u.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
