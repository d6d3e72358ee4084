# Shapes, semantic segmentation: the narrow SegNet with LiftDownPool, and LiftUpPool of the same filters.
_base_ = './segnet_vgg16-slim_max_1xb4-1000i_shapes-128x128.py'
model = dict(backbone=dict(pool_cfg=dict(type='lift'), unpool_cfg=dict(type='lift', tied=True)))
custom_hooks = [*_base_.custom_hooks, dict(type='LiftRegularization')]
