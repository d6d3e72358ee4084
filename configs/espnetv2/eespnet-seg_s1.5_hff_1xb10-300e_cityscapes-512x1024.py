# ESPNetv2 s=1.5 with the CVPR code's decoder, Cityscapes: mIoU 62.1, 725 K parameters.
_base_ = './eespnet-seg_s0.5_hff_1xb10-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(scale=1.5), decode_head=dict(in_channels=[32, 96, 192, 384], dropout_ratio=0.2))
