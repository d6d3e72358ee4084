# UPerNet R101 on ADE20K: published mIoU 43.33, 85.5 M parameters (SAPA extension README).
_base_ = '../freqfusion/upernet_r50_bilinear_4xb4-80k_ade20k-512x512.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
