# ESPNetv2 s=1.5, EdgeNets zoo, Cityscapes 256x512: mIoU 54.6.
_base_ = './espnetv2_s2.0_hff_1xb25-100e_cityscapes-256x512.py'
model = dict(backbone=dict(scale=1.5), decode_head=dict(in_channels=[32, 96, 192, 384]))
