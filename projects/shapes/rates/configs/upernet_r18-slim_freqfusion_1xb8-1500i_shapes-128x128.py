# Shapes, semantic segmentation: UPerNet's head on a narrow ResNet-18, with FreqFusion.
_base_ = [
    './upernet_r18-slim_bilinear_1xb8-1500i_shapes-128x128.py',
    '../../../../configs/_base_/upsamplers/freqfusion.py',
]
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, compressed_channels=16)))
