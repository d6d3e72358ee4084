# Shapes, semantic segmentation: the narrow SegNet with BlurPool and bilinear upsampling.
_base_ = './segnet_vgg16-slim_max_1xb4-1000i_shapes-128x128.py'
model = dict(backbone=dict(pool_cfg=dict(type='blur'), unpool_cfg=dict(type='interpolate')))
