# DySample+ in the FPN of Faster R-CNN R101 on COCO: published box AP 40.5 (FreqFusion README).
_base_ = ['../freqfusion/faster-rcnn_r101_nearest_1x_coco.py', '../_base_/upsamplers/dysample-plus.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
