# ESPNetv2 s=1.0, EdgeNets zoo, PASCAL VOC 2012 256x256: mIoU 54.14.
_base_ = './espnetv2_s2.0_hff_1xb40-100e_voc12aug-256x256.py'
model = dict(backbone=dict(scale=1.0), decode_head=dict(in_channels=[32, 64, 128, 256]))
