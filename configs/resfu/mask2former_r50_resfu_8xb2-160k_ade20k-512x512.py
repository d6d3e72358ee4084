# ReSFU (arXiv 2407.02283), Mask2Former R50 on ADE20K; no config was released: the baseline's pixel decoder with ReSFU.
_base_ = ['../freqfusion/mask2former_r50_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(pixel_decoder=dict(upsample_cfg=_base_.upsample_cfg)))
