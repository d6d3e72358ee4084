# UPerNet R50 + FreqFusion on ADE20K, no row of FreqFusion (TPAMI 2024).
_base_ = ['./upernet_r50_bilinear_4xb4-80k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
