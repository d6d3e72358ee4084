# ReSFU (arXiv 2407.02283), SegFormer-B1 on ADE20K, as released: dilation 2 in all three modules.
# Tested at multiples of 32, as its baseline here; the authors test at any size.
_base_ = ['../freqfusion/segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, scale_factor=2, lr_mult=500)))
