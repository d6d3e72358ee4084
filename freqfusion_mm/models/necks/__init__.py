"""Necks: feature pyramids whose fusions are chosen by one config key. Needs mmengine and mmcv."""

from .espnetv2_ssd_neck import ESPNetV2SSDNeck
from .fusion_fpn import FusionFPN

__all__ = ['ESPNetV2SSDNeck', 'FusionFPN']
