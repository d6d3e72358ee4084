# CIFAR-10: the narrow ResNet-18 with max pooling at every halving.
_base_ = './resnet18-slim_strided_1xb128-5e_cifar10-32x32.py'
model = dict(backbone=dict(pool_cfg=dict(type='max')))
