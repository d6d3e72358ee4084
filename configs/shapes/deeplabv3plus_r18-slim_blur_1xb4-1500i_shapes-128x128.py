# Shapes, semantic segmentation: the narrow DeepLabV3+ with BlurPool at every halving but the first convolution's.
_base_ = './deeplabv3plus_r18-slim_max_1xb4-1500i_shapes-128x128.py'
model = dict(backbone=dict(pool_cfg=dict(type='blur')))
