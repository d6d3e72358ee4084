"""Pixel decoders of MaskFormer and Mask2Former with chosen fusions. Needs mmdet and mmcv's ops."""

from .fusion_msdeformattn_pixel_decoder import FusionMSDeformAttnPixelDecoder
from .fusion_pixel_decoder import FusionPixelDecoder, FusionTransformerEncoderPixelDecoder

__all__ = [
    'FusionMSDeformAttnPixelDecoder',
    'FusionPixelDecoder',
    'FusionTransformerEncoderPixelDecoder',
]
