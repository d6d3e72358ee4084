# Shapes, semantic segmentation: SegFormer's head on a narrow ResNet-18, with FreqFusion.
_base_ = './segformer_r18-slim_bilinear_1xb8-1500i_shapes-128x128.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='FreqFusion', compressed_channels=16)))
