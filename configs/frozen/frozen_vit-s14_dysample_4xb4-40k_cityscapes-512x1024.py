# JAFAR's comparison, DINOv2-S/14 frozen, linear probe, Cityscapes, row DySample: mIoU 59.71.
_base_ = ['./frozen_vit-s14_bilinear_4xb4-40k_cityscapes-512x1024.py', '../_base_/upsamplers/dysample.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
