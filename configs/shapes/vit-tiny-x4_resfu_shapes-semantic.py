# Shapes, semantic segmentation: the narrow ViT/16 with ReSFU, x4 in one step.
_base_ = './vit-tiny-x4_bilinear_shapes-semantic.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='ReSFU')))
