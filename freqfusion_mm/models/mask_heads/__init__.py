"""Mask and semantic heads for mmdet: one key, `upsample_cfg`, chooses what upsamples their maps."""

from .fcn_mask_head import FusionDynamicMaskHead, FusionFCNMaskHead, FusionHTCMaskHead, FusionSCNetMaskHead
from .mask_feature_heads import FusionRTMDetInsSepBNHead, FusionSOLOV2Head, FusionYOLACTProtonet
from .region_heads import FusionFeatureRelayHead, FusionGridHead
from .semantic_heads import FusionFusedSemanticHead, FusionPanopticFPNHead, FusionSCNetSemanticHead
from .solo_heads import FusionDecoupledSOLOHead, FusionDecoupledSOLOLightHead, FusionSOLOHead

__all__ = [
    'FusionDecoupledSOLOHead',
    'FusionDecoupledSOLOLightHead',
    'FusionSOLOHead',
    'FusionDynamicMaskHead',
    'FusionFCNMaskHead',
    'FusionFeatureRelayHead',
    'FusionFusedSemanticHead',
    'FusionGridHead',
    'FusionHTCMaskHead',
    'FusionPanopticFPNHead',
    'FusionRTMDetInsSepBNHead',
    'FusionSCNetMaskHead',
    'FusionSCNetSemanticHead',
    'FusionSOLOV2Head',
    'FusionYOLACTProtonet',
]
