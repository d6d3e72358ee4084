# Shapes, semantic segmentation: the narrow ViT/16 with ReSFU, x4 in one step.
_base_ = ['./segmenter-x4_vit-tiny_bilinear_1xb8-1000i_shapes-128x128.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
