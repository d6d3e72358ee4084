"""mmsegmentation's vision transformer that hands the image on to the head.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (Segmenter).
Source: the idea is that of `VisionTransformerIm` in zmhhmz/ReSFU (62e9d9c, no licence); written anew as a subclass, so
    that every checkpoint of mmsegmentation's `VisionTransformer` loads.
"""

from __future__ import annotations

from mmseg.models.backbones import VisionTransformer
from torch import Tensor


class VisionTransformerWithImage(VisionTransformer):
    """`VisionTransformer` whose last output is the (normalised) input image.

    A plain transformer has no fine feature map; a guided upsampling behind it takes its guide from the image. Arguments
    and state dict are those of `VisionTransformer`; `out_indices` counts layers, so the image comes on top.

    Example:
        >>> import torch
        >>> backbone = VisionTransformerWithImage(
        ...     img_size=64, patch_size=16, embed_dims=32, num_layers=1, num_heads=2)
        >>> [tuple(out.shape) for out in backbone(torch.zeros(1, 3, 64, 48))]
        [(1, 32, 4, 3), (1, 3, 64, 48)]
    """

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return (*super().forward(inputs), inputs)
