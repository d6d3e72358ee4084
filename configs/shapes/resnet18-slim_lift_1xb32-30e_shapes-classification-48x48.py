# Shapes, classification: the narrow ResNet-18 with LiftDownPool at every halving but the first convolution's.
_base_ = './resnet18-slim_max_1xb32-30e_shapes-classification-48x48.py'
model = dict(backbone=dict(pool_cfg=dict(type='lift')))
custom_hooks = [*_base_.custom_hooks, dict(type='LiftRegularization')]
