# LiftPool, CIFAR-100, ResNet-18: max pooling, strided convolutions; the paper's recipe is not known, this one is ours.
_base_ = [
    '../_base_/models/resnet18_cifar100.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/schedules/cls_sgd_200e.py',
]
