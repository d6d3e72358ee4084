# ESPNetv2 (CVPR 2019), ImageNet, row s = 1.0: top-1 66.09, top-5 86.54; 1.67 M parameters, 85.72 M multiply-adds.
_base_ = './espnetv2-s2.0_hff_1xb512-300e_imagenet-224x224.py'
model = dict(backbone=dict(scale=1.0), head=dict(in_channels=1024))
