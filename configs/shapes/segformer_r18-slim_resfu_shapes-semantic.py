# Shapes, semantic segmentation: the narrow SegFormer with ReSFU, x2, x4 and x8 in one step each.
_base_ = './segformer_r18-slim_bilinear_shapes-semantic.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='ReSFU')))
