# Shapes, semantic segmentation: SegFormer's head on a narrow ResNet-18, with FreqFusion.
_base_ = './segformer_r18-slim_bilinear_shapes-semantic.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='FreqFusion', compressed_channels=16)))
