# ReSFU (arXiv 2407.02283), SegFormer-B1 on ADE20K, as released: dilation 2 in all three modules.
_base_ = './segformer_mit-b1_resfu_8xb2-160k_ade20k-512x512.py'
model = dict(decode_head=dict(upsample_cfg=dict(scale_factor=2, lr_mult=500)))
