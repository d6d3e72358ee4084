"""Backbones for mmsegmentation, mmdetection and mmpretrain; mmengine is enough to import them."""

from .espnet import ESPNet
from .espnetv2 import ESPNetV2, ESPNetV2WithImage
from .pooled_resnet import PooledResNet
from .pooled_vgg import PooledVGG
from .segnet import SegNet

__all__ = ['ESPNet', 'ESPNetV2', 'ESPNetV2WithImage', 'PooledResNet', 'PooledVGG', 'SegNet']
