# ESPNetv2 s=1.0, EdgeNets zoo, Cityscapes val 512x1024: mIoU 60.1.
_base_ = './espnetv2_s2.0_hff_1xb6-100e_cityscapes-512x1024.py'
model = dict(backbone=dict(scale=1.0), decode_head=dict(in_channels=[32, 64, 128, 256]))
