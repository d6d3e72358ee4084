# Mask2Former's model zoo, row R101: Cityscapes mIoU 80.1.
_base_ = './mask2former_r50_bilinear_8xb2-90k_cityscapes-512x1024.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
