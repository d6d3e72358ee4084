# Mask2Former's model zoo, row R101: ADE20K mIoU 47.8.
_base_ = './mask2former_r50_bilinear_8xb2-160k_ade20k-512x512.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
