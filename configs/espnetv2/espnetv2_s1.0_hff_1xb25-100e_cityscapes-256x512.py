# ESPNetv2 s=1.0, EdgeNets zoo, Cityscapes 256x512: mIoU 52.2.
_base_ = './espnetv2_s2.0_hff_1xb25-100e_cityscapes-256x512.py'
model = dict(backbone=dict(scale=1.0), decode_head=dict(in_channels=[32, 64, 128, 256]))
