"""Backbones for mmsegmentation, mmdetection and mmpretrain; mmengine is enough to import them."""

from .espnet import ESPNet
from .espnetv2 import ESPNetV2

__all__ = ['ESPNet', 'ESPNetV2']
