"""Necks: feature pyramids whose fusions are chosen by one config key. Needs mmengine and mmcv."""

from .fusion_fpn import FusionFPN

__all__ = ['FusionFPN']
