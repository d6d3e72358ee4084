# ESPNetv2 (CVPR 2019), ImageNet, row s = 1.25: top-1 67.95, top-5 87.82; 1.96 M parameters, 123.40 M multiply-adds.
_base_ = './espnetv2-s2.0_hff_1xb512-300e_imagenet-224x224.py'
model = dict(backbone=dict(scale=1.25), head=dict(in_channels=1024))
