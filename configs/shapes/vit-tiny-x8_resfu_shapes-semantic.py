# Shapes, semantic segmentation: the narrow ViT/16 with ReSFU, x8 in one step.
_base_ = './vit-tiny-x8_bilinear_shapes-semantic.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='ReSFU')))
