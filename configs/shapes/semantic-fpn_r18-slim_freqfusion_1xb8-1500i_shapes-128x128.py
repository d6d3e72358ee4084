# Shapes, semantic segmentation: the narrow Semantic FPN with FreqFusion in its pyramid.
_base_ = ['./semantic-fpn_r18-slim_nearest_1xb8-1500i_shapes-128x128.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=dict(_base_.upsample_cfg, compressed_channels=32)))
