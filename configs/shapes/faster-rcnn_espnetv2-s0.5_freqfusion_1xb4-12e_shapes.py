# Shapes, detection: Faster R-CNN with ESPNetv2 (s=0.5) and FreqFusion in the FPN.
_base_ = ['./faster-rcnn_r18_nearest_1xb4-12e_shapes.py', '../_base_/upsamplers/freqfusion.py']
model = dict(
    backbone=dict(_delete_=True, type='ESPNetV2', scale=0.5, out_indices=(1, 2, 3, 4)),
    neck=dict(in_channels=[32, 64, 128, 256], upsample_cfg=_base_.upsample_cfg),
)
