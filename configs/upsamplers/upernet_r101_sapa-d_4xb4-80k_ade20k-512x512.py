# SAPA-D in UPerNet R101 on ADE20K: published mIoU 44.31 (SAPA extension README).
_base_ = ['../freqfusion/upernet_r50_bilinear_4xb4-80k_ade20k-512x512.py', '../_base_/upsamplers/sapa-d.py']
model = dict(
    backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')),
    decode_head=dict(upsample_cfg=_base_.upsample_cfg),
)
