# LiftPool, CIFAR-100, VGG-16: max pooling; the paper's recipe is not known, this one is ours.
_base_ = [
    '../_base_/models/vgg13-bn_cifar100.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/schedules/cls_sgd_200e.py',
]
model = dict(backbone=dict(depth=16))
