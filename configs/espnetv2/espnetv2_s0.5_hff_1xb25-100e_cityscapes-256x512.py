# ESPNetv2 s=0.5, EdgeNets zoo, Cityscapes 256x512: mIoU 47.3.
_base_ = './espnetv2_s2.0_hff_1xb25-100e_cityscapes-256x512.py'
model = dict(backbone=dict(scale=0.5), decode_head=dict(in_channels=[16, 32, 64, 128]))
