# ESPNetv2 s=0.5, EdgeNets zoo, Cityscapes val 512x1024: mIoU 53.9.
_base_ = './espnetv2_s2.0_hff_1xb6-100e_cityscapes-512x1024.py'
model = dict(backbone=dict(scale=0.5), decode_head=dict(in_channels=[16, 32, 64, 128]))
