# ResNet-18 for CIFAR-100: a 3x3 stem at stride 1 and no max pooling; three strided stages.
_base_ = './vgg13-bn_cifar100.py'
model = dict(backbone=dict(_delete_=True, type='PooledResNet', depth=18, stem='cifar', out_indices=(3,)))
