# LiftPool, ImageNet, ResNet-50: BlurPool; the paper's recipe is not known, this one is ours.
_base_ = './resnet50_max_8xb32-100e_imagenet-224x224.py'
model = dict(backbone=dict(pool_cfg=dict(type='blur')))
