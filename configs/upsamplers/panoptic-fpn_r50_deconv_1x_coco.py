# Deconv in Panoptic FPN on COCO: published PQ 39.6, SQ 77.1, RQ 48.5 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/deconv.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
