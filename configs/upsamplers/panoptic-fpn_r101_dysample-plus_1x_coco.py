# DySample+ in the FPN of Panoptic FPN R101 on COCO: published PQ 43.0, SQ 78.6, RQ 52.4 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r101_nearest_1x_coco.py', '../_base_/upsamplers/dysample-plus.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
