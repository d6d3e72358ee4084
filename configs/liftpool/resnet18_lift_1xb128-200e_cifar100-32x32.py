# LiftPool, CIFAR-100, ResNet-18: LiftDownPool; the paper's recipe is not known, this one is ours.
_base_ = './resnet18_max_1xb128-200e_cifar100-32x32.py'
model = dict(backbone=dict(pool_cfg=dict(type='lift')))
custom_hooks = [dict(type='LiftRegularization')]
