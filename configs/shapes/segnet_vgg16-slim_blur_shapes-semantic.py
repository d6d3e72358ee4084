# Shapes, semantic segmentation: the narrow SegNet with BlurPool and bilinear upsampling.
_base_ = './segnet_vgg16-slim_max_shapes-semantic.py'
model = dict(backbone=dict(pool_cfg=dict(type='blur'), unpool_cfg=dict(type='interpolate')))
