# ESPNetv2 (CVPR 2019), ImageNet, row s = 1.5: top-1 69.17, top-5 88.71; 2.31 M parameters, 168.6 M multiply-adds.
_base_ = './espnetv2-s2.0_hff_1xb512-300e_imagenet-224x224.py'
model = dict(backbone=dict(scale=1.5), head=dict(in_channels=1024))
