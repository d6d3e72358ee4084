# JAFAR's comparison, DINOv2-S/14 frozen, linear probe, PASCAL VOC 2012, row CARAFE: mIoU 80.26.
_base_ = ['./frozen_vit-s14_bilinear_4xb4-40k_voc12aug-512x512.py', '../_base_/upsamplers/carafe.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
