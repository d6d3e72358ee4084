# ReSFU (arXiv 2407.02283), UPerNet Swin-T on ADE20K; no config was released: the top-down additions.
_base_ = ['./upernet_swin-t_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
