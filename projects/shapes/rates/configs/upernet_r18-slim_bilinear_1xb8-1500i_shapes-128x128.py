# Shapes, semantic segmentation: UPerNet's head on the narrow ResNet-18 of configs/shapes; the baseline.
_base_ = '../../../../configs/shapes/segformer_r18-slim_bilinear_1xb8-1500i_shapes-128x128.py'
model = dict(decode_head=dict(type='FusionUPerHead', pool_scales=(1, 2, 3, 6)))
