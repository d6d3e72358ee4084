# Shapes, classification: the narrow ResNet-18 with BlurPool at every halving but the first convolution's.
_base_ = './resnet18-slim_max_shapes-classification.py'
model = dict(backbone=dict(pool_cfg=dict(type='blur')))
