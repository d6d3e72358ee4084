# ESPNetv2 s=1.0 with the CVPR code's decoder, Cityscapes: no published number, 341 K parameters.
_base_ = './eespnet-seg_s0.5_hff_1xb10-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(scale=1.0), decode_head=dict(in_channels=[32, 64, 128, 256], dropout_ratio=0.2))
