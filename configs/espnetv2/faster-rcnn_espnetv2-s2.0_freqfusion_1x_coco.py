# Faster R-CNN with ESPNetv2 s=2.0 and FreqFusion in the FPN; not a published row.
_base_ = ['./faster-rcnn_espnetv2-s2.0_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
