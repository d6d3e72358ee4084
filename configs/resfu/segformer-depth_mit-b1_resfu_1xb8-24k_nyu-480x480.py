# ReSFU (arXiv 2407.02283), monocular depth on NYU; no config was released: x2, x4 and x8 to stride 4.
_base_ = ['./segformer-depth_mit-b1_bilinear_1xb8-24k_nyu-480x480.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
