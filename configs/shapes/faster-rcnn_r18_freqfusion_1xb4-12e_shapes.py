# Shapes, object detection: the baseline's FPN with FreqFusion.
_base_ = './faster-rcnn_r18_nearest_1xb4-12e_shapes.py'
model = dict(neck=dict(upsample_cfg=dict(type='FreqFusion')))
