# LiftPool, VOC 2012, DeepLabV3+: max pooling, strided convolutions; the paper's recipe is not known, this one is ours.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/voc12aug_512x512.py',
    '../_base_/schedules/seg_sgd_40k.py',
    '../_base_/default_runtime.py',
]
