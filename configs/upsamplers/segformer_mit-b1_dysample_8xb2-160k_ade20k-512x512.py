# DySample in SegFormer-B1 on ADE20K, six of them: no published number was found.
_base_ = ['../freqfusion/segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/dysample.py']
model = dict(decode_head=dict(stagewise=True, upsample_cfg=_base_.upsample_cfg))
