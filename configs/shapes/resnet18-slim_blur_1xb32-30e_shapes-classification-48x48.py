# Shapes, classification: the narrow ResNet-18 with BlurPool at every halving but the first convolution's.
_base_ = './resnet18-slim_max_1xb32-30e_shapes-classification-48x48.py'
model = dict(backbone=dict(pool_cfg=dict(type='blur')))
