# DySample in SegNeXt-T on Cityscapes, FreqFusion (TPAMI 2024), Table VI; which of its four forms is not stated.
_base_ = [
    '../freqfusion/segnext_mscan-t_bilinear_8xb2-160k_cityscapes-1024x1024.py',
    '../_base_/upsamplers/dysample.py',
]
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
