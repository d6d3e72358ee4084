# FreqFusion for those who count milliseconds, in SegFormer-B1 on ADE20K: no published number.
_base_ = ['./segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion-min.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, hamming_window=False)))
