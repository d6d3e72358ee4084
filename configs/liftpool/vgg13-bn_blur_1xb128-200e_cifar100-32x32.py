# LiftPool, CIFAR-100, VGG-13: BlurPool; the paper's recipe is not known, this one is ours.
_base_ = './vgg13-bn_max_1xb128-200e_cifar100-32x32.py'
model = dict(backbone=dict(pool_cfg=dict(type='blur')))
