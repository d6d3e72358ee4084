# ESPNetv2 (CVPR 2019), ImageNet, row s = 0.5: top-1 57.68, top-5 79.85; 1.24 M parameters, 28.38 M multiply-adds.
_base_ = './espnetv2-s2.0_hff_1xb512-300e_imagenet-224x224.py'
model = dict(backbone=dict(scale=0.5), head=dict(in_channels=1024))
