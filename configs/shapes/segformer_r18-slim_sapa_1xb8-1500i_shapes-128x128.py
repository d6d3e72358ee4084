# Shapes, semantic segmentation: the narrow SegFormer with SAPA-B, every level upsampled apart.
_base_ = ['./segformer_r18-slim_bilinear_1xb8-1500i_shapes-128x128.py', '../_base_/upsamplers/sapa.py']
model = dict(decode_head=dict(stagewise=True, upsample_cfg=_base_.upsample_cfg))
