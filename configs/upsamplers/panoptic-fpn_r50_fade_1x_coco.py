# FADE in Panoptic FPN on COCO: published PQ 40.9, SQ 78.1, RQ 50.1 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/fade_detection.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
