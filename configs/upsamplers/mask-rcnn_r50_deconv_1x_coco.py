# Deconv in the FPN of Mask R-CNN on COCO: published box AP 37.9, mask AP 34.5 (FreqFusion README).
_base_ = ['../freqfusion/mask-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/deconv.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
