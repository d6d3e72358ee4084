"""Mask heads for mmdet: one key, `upsample_cfg`, chooses what takes their maps from 14 to 28 pixels."""

from .fcn_mask_head import FusionDynamicMaskHead, FusionFCNMaskHead, FusionHTCMaskHead, FusionSCNetMaskHead

__all__ = ['FusionDynamicMaskHead', 'FusionFCNMaskHead', 'FusionHTCMaskHead', 'FusionSCNetMaskHead']
