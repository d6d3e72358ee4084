# DySample+ in the FPN of Mask R-CNN R101 on COCO: published box AP 41.0, mask AP 36.8 (FreqFusion README).
_base_ = ['../freqfusion/mask-rcnn_r101_nearest_1x_coco.py', '../_base_/upsamplers/dysample-plus.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
