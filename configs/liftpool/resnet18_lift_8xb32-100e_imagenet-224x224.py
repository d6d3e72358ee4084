# LiftPool, ImageNet, ResNet-18: LiftDownPool; the paper's recipe is not known, this one is ours.
_base_ = './resnet18_max_8xb32-100e_imagenet-224x224.py'
model = dict(backbone=dict(pool_cfg=dict(type='lift')))
custom_hooks = [dict(type='LiftRegularization')]
