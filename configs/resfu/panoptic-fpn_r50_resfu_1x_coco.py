# ReSFU (arXiv 2407.02283), panoptic segmentation on COCO; no config was released: the baseline's FPN with ReSFU.
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/resfu.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
