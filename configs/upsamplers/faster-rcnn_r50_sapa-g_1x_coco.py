# SAPA-G in the FPN of Faster R-CNN R50 on COCO: published box AP 37.8 (SAPA README).
_base_ = ['../freqfusion/faster-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/sapa-g.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
