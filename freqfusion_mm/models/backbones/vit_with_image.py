"""mmsegmentation's vision transformer that hands the image on to the head.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (Segmenter).
Source: the idea is that of `VisionTransformerIm` in zmhhmz/ReSFU (62e9d9c, no licence); written anew as a subclass, so
    that every checkpoint of mmsegmentation's `VisionTransformer` loads.
"""

from __future__ import annotations

import re

from mmseg.models.backbones import VisionTransformer
from torch import Tensor

from freqfusion_mm.layers.reference import renamed

#: Pattern of timm's and DINOv2's keys -> ours, the first that fits.
_KEYS = [
    (r'^patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'^norm\.', 'ln1.'),
    (r'^blocks\.(\d+)\.norm([12])\.', r'layers.\1.ln\2.'),
    (r'^blocks\.(\d+)\.attn\.qkv\.', r'layers.\1.attn.attn.in_proj_'),
    (r'^blocks\.(\d+)\.attn\.proj\.', r'layers.\1.attn.attn.out_proj.'),
    (r'^blocks\.(\d+)\.mlp\.fc1\.', r'layers.\1.ffn.layers.0.0.'),
    (r'^blocks\.(\d+)\.mlp\.fc2\.', r'layers.\1.ffn.layers.1.'),
]
#: Layer scale -> the projection before it.
_SCALED = {'ls1': 'attn.proj', 'ls2': 'mlp.fc2'}


class VisionTransformerWithImage(VisionTransformer):
    """`VisionTransformer` whose last output is the (normalised) input image.

    A plain transformer has no fine feature map; a guided upsampling behind it takes its guide from the image. Arguments
    and state dict are those of `VisionTransformer`; `out_indices` counts layers, so the image comes on top.

    State dicts of timm and of DINOv2 (facebookresearch/dinov2, Apache-2.0; without registers) load as they are, into
    `patch_bias=True, final_norm=True` and norms of eps 1e-6: keys are renamed, and the layer scales, for which
    mmsegmentation's layers have no place, multiplied into the projections before them.

    Raises:
        ValueError: while loading, DINOv2's weights with registers.

    Example:
        >>> import torch
        >>> backbone = VisionTransformerWithImage(
        ...     img_size=64, patch_size=16, embed_dims=32, num_layers=1, num_heads=2)
        >>> [tuple(out.shape) for out in backbone(torch.zeros(1, 3, 64, 48))]
        [(1, 32, 4, 3), (1, 3, 64, 48)]
    """

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return (*super().forward(inputs), inputs)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        theirs = {key[len(prefix) :]: key for key in state_dict if key.startswith(prefix)}
        if any(name.startswith('blocks.') for name in theirs):
            if 'register_tokens' in theirs:
                raise ValueError(
                    'the weights are of a DINOv2 with registers, tokens that the ViT of mmsegmentation does not have: '
                    'take those without (dinov2_vits14_pretrain.pth)'
                )
            given = _without_scales({name: state_dict.pop(key) for name, key in theirs.items()})
            state_dict.update({prefix + renamed(name, _KEYS): value for name, value in given.items()})
        super()._load_from_state_dict(state_dict, prefix, *args)


def _without_scales(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    theirs.pop('mask_token', None)  # of the pretraining
    for name in [name for name in theirs if name.endswith('.gamma')]:
        block, scale = re.fullmatch(r'(blocks\.\d+)\.(ls[12])\.gamma', name).groups()
        gamma, projection = theirs.pop(name), f'{block}.{_SCALED[scale]}'
        theirs[f'{projection}.weight'] = theirs[f'{projection}.weight'] * gamma[:, None]
        theirs[f'{projection}.bias'] = theirs[f'{projection}.bias'] * gamma
    return theirs
