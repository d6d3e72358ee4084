# LiftPool, ImageNet, ResNet-18: max pooling, strided convolutions; the paper's recipe is not known, this one is ours.
_base_ = [
    '../_base_/models/resnet18_imagenet.py',
    '../_base_/datasets/imagenet_224x224.py',
    '../_base_/schedules/cls_sgd_100e.py',
]
