# DySample in the FPN of Mask R-CNN on COCO: published box AP 39.2, mask AP 35.4 (DySample README).
_base_ = ['../freqfusion/mask-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/dysample.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
