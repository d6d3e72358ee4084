"""The side adapter of SAN with a chosen feature fusion where CLIP's coarser map joins its tokens.

Paper: Side Adapter Network for Open-Vocabulary Semantic Segmentation (CVPR 2023, arXiv 2302.12242).
Source: mmsegmentation's SideAdapterCLIPHead, subclassed; the fusions take the place of its interpolation.
"""

from typing import Any

import torch
from mmseg.models.decode_heads import SideAdapterCLIPHead
from mmseg.models.decode_heads.san_head import SideAdapterNetwork
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import takes_fusion


class _FusionAdapter(SideAdapterNetwork):
    """SideAdapterNetwork with a fusion for each of CLIP's maps that it reads."""

    def __init__(self, upsample_cfg: str | type | dict[str, Any], **kwargs) -> None:
        super().__init__(**kwargs)
        width = self.pos_embed.shape[-1]
        self.fusions = nn.ModuleList(build_fusion(upsample_cfg, width, width) for _ in self.fusion_index)

    def fuse_clip(self, fused_index: int, x: Tensor, clip_feature: Tensor, hwshape: tuple[int, int], L: int) -> Tensor:
        """Tokens [B, queries + L, C] with a map of CLIP's [B, clip_channels, h, w] added to the last `L`."""
        queries, tokens = x[:, :-L], x[:, -L:]
        fine = tokens.transpose(1, 2).reshape(*tokens.shape[::2], *hwshape)
        projected = self.conv_clips[fused_index](clip_feature.contiguous())
        lr_up, fine = self.fusions[fused_index](projected, fine)
        # the stock head's own reading of a map as tokens
        lr_up, fine = (feat.permute(0, 2, 3, 1).reshape(tokens.shape) for feat in (lr_up, fine))
        return torch.cat([queries, fine + lr_up], dim=1)


@takes_fusion
class FusionSideAdapterCLIPHead(SideAdapterCLIPHead):
    """SAN's head whose adapter joins CLIP's maps by fusions.

    Convention:
        A fusion is guided by the adapter's tokens, as the map that they are, and what it returns for that replaces
        them. CLIP's map must not be the finer one. With `dict(type='bilinear')` it is `SideAdapterCLIPHead`, same keys
        and numbers. `fusions` has one for each entry of `fusion_index`.

    Args:
        san_cfg: of the adapter, as in the stock head.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: the others of mmsegmentation's `SideAdapterCLIPHead`.
    """

    def __init__(
        self, *args, san_cfg: dict[str, Any], upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(*args, san_cfg=san_cfg, **kwargs)
        self.side_adapter_network = _FusionAdapter(upsample_cfg, **san_cfg)

    @property
    def fusions(self) -> nn.ModuleList:
        return self.side_adapter_network.fusions
