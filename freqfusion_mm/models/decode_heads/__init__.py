"""Decode heads for mmsegmentation: one key, `upsample_cfg`, chooses the fusion; ESPNet's own; one that unpools."""

from .bts_head import FusionBTSHead
from .depth_head import FusionDepthHead
from .espnet_head import ESPNetCHead, ESPNetHead
from .espnetv2_heads import EESPNetSegHead, ESPNetV2Head
from .fpn_head import FusionSemanticFPNHead
from .ham_head import FusionHamHead
from .image_guided_fcn_head import ImageGuidedFCNHead
from .lraspp_head import FusionLRASPPHead
from .resize_concat_heads import FusionFCNHead, FusionOCRHead
from .segformer_head import FusionSegformerHead
from .sep_aspp_head import FusionSepASPPHead
from .setr_heads import FusionSETRMLAHead, FusionSETRUPHead
from .unet_head import FusionUNetHead
from .unpool_aspp_head import UnpoolASPPHead
from .uper_head import FusionUPerHead

__all__ = [
    'EESPNetSegHead',
    'ESPNetCHead',
    'ESPNetHead',
    'ESPNetV2Head',
    'FusionBTSHead',
    'FusionDepthHead',
    'FusionFCNHead',
    'FusionHamHead',
    'FusionLRASPPHead',
    'FusionOCRHead',
    'FusionSETRMLAHead',
    'FusionSETRUPHead',
    'FusionSegformerHead',
    'FusionSemanticFPNHead',
    'FusionSepASPPHead',
    'FusionUNetHead',
    'FusionUPerHead',
    'ImageGuidedFCNHead',
    'UnpoolASPPHead',
]
