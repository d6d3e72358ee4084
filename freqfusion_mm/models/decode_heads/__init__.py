"""Decode heads for mmsegmentation: one key, `upsample_cfg`, chooses the fusion; and ESPNet's own."""

from .bts_head import FusionBTSHead
from .depth_head import FusionDepthHead
from .dpt_head import FusionDPTHead
from .espnet_head import ESPNetCHead, ESPNetHead
from .espnetv2_heads import EESPNetSegHead, ESPNetV2Head
from .fpn_head import FusionSemanticFPNHead
from .ham_head import FusionHamHead
from .image_guided_fcn_head import ImageGuidedFCNHead
from .lraspp_head import FusionLRASPPHead
from .psa_head import FusionPSAHead
from .resize_concat_heads import FusionFCNHead, FusionOCRHead
from .san_head import FusionSideAdapterCLIPHead
from .segformer_head import FusionSegformerHead
from .sep_aspp_head import FusionSepASPPHead
from .setr_heads import FusionSETRMLAHead, FusionSETRUPHead
from .unet_head import FusionUNetHead
from .uper_head import FusionUPerHead

__all__ = [
    'EESPNetSegHead',
    'ESPNetCHead',
    'ESPNetHead',
    'ESPNetV2Head',
    'FusionBTSHead',
    'FusionDPTHead',
    'FusionDepthHead',
    'FusionFCNHead',
    'FusionHamHead',
    'FusionLRASPPHead',
    'FusionOCRHead',
    'FusionPSAHead',
    'FusionSETRMLAHead',
    'FusionSETRUPHead',
    'FusionSegformerHead',
    'FusionSemanticFPNHead',
    'FusionSepASPPHead',
    'FusionSideAdapterCLIPHead',
    'FusionUNetHead',
    'FusionUPerHead',
    'ImageGuidedFCNHead',
]
