# ESPNetv2 s=1.0, EdgeNets zoo, PASCAL VOC 2012 384x384: mIoU 60.22.
_base_ = './espnetv2_s2.0_hff_1xb32-100e_voc12aug-384x384.py'
model = dict(backbone=dict(scale=1.0), decode_head=dict(in_channels=[32, 64, 128, 256]))
