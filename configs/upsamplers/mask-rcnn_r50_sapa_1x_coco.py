# SAPA-B in the FPN of Mask R-CNN on COCO: published box AP 38.7, mask AP 35.1 (FreqFusion README).
_base_ = ['../freqfusion/mask-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/sapa.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
