# SAPA-D in UPerNet R101 on ADE20K: published mIoU 44.31 (SAPA extension README).
_base_ = ['./upernet_r101_bilinear_4xb4-160k_ade20k-512x512.py', '../_base_/upsamplers/sapa-d.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
