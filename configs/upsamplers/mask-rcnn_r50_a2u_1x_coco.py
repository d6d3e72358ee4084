# A2U in the FPN of Mask R-CNN on COCO: published box AP 38.2, mask AP 34.6 (FreqFusion README).
_base_ = ['../freqfusion/mask-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/a2u.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
