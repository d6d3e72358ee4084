# CARAFE in UPerNet R50 on ADE20K: published mIoU 41.49 (SAPA extension README).
_base_ = ['../freqfusion/upernet_r50_bilinear_4xb4-80k_ade20k-512x512.py', '../_base_/upsamplers/carafe.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
