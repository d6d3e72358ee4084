# Shapes, semantic segmentation: the narrow Semantic FPN with FreqFusion in its pyramid.
_base_ = './semantic-fpn_r18-slim_nearest_shapes-semantic.py'
model = dict(neck=dict(upsample_cfg=dict(type='FreqFusion', compressed_channels=32)))
