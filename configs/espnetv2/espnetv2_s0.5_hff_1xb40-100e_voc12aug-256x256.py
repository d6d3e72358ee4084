# ESPNetv2 s=0.5, EdgeNets zoo, PASCAL VOC 2012 256x256: mIoU 39.82.
_base_ = './espnetv2_s2.0_hff_1xb40-100e_voc12aug-256x256.py'
model = dict(backbone=dict(scale=0.5), decode_head=dict(in_channels=[16, 32, 64, 128]))
