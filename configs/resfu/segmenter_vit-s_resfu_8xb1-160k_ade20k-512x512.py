# ReSFU (arXiv 2407.02283), Segmenter-S on ADE20K, as released: one step of x4, lr_mult 500.
_base_ = ['./segmenter_vit-s_bilinear_8xb1-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu_segmenter.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
