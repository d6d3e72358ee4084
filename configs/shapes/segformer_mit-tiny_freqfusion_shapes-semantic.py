# Shapes, semantic segmentation: the narrow SegFormer with FreqFusion.
_base_ = './segformer_mit-tiny_bilinear_shapes-semantic.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='FreqFusion', compressed_channels=32)))
