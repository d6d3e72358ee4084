# ReSFU (arXiv 2407.02283), SegFormer-B1 on ADE20K, with the paper's dilations 2, 4 and 8 for x2, x4
# and x8. The released lr_mult of 500 is left out: it does nothing under AdamW. Tested at multiples of 32, as its
# baseline here; the authors test at any size.
_base_ = ['../freqfusion/segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
