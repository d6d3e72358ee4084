# ESPNetv2 s=1.5, EdgeNets zoo, Cityscapes val 512x1024: mIoU 63.8.
_base_ = './espnetv2_s2.0_hff_1xb6-100e_cityscapes-512x1024.py'
model = dict(backbone=dict(scale=1.5), decode_head=dict(in_channels=[32, 96, 192, 384]))
