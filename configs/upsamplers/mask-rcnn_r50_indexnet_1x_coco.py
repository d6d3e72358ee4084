# IndexNet in the FPN of Mask R-CNN on COCO: published box AP 38.4, mask AP 34.7 (FreqFusion README).
_base_ = ['../freqfusion/mask-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/indexnet.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
