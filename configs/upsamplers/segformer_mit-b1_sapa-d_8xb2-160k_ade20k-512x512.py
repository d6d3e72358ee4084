# SAPA-D in SegFormer-B1 on ADE20K, six of them: published mIoU 44.68 (SAPA extension README).
_base_ = ['../freqfusion/segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/sapa-d.py']
model = dict(decode_head=dict(stagewise=True, upsample_cfg=_base_.upsample_cfg))
