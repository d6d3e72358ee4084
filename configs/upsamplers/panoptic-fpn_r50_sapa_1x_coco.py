# SAPA-B in Panoptic FPN on COCO: published PQ 40.6, SQ 78, RQ 49.6 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/sapa.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
