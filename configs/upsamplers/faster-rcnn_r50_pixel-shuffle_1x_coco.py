# PixelShuffle in the FPN of Faster R-CNN on COCO: published box AP 37.5 (FreqFusion README).
_base_ = ['../freqfusion/faster-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/pixel-shuffle.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
