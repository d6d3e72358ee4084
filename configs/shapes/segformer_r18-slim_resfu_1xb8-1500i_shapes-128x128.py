# Shapes, semantic segmentation: the narrow SegFormer with ReSFU, x2, x4 and x8 in one step each.
_base_ = ['./segformer_r18-slim_bilinear_1xb8-1500i_shapes-128x128.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
