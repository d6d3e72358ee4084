# DySample in SegNeXt-T on ADE20K, FreqFusion (TPAMI 2024), Table VI; which of its four forms is not stated.
_base_ = ['../freqfusion/segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/dysample.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
