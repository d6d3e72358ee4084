# PixelShuffle in Panoptic FPN on COCO: published PQ 40, SQ 77.1, RQ 49.1 (FreqFusion README).
_base_ = ['../freqfusion/panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/pixel-shuffle.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
