# JAFAR's comparison, DINOv2-S/14 frozen, linear probe, ADE20K, row DySample: mIoU 38.99.
_base_ = ['./frozen_vit-s14_bilinear_4xb4-40k_ade20k-512x512.py', '../_base_/upsamplers/dysample.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
