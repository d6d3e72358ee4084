"""Upsamplings of a single map, where no finer one exists."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Fusion
from .fusions import KeptInit


class SelfGuided(nn.Module):
    """Upsamples a map by a ratio.

    Convention:
        What guides a guided layer is the map itself, interpolated bilinearly (align_corners=False) to the size to
        reach; of a fusion, only the upsampled map is used. An unguided layer gets the size alone.

    Args:
        fusion: of the map's channels, twice.
        scale_factor: whole ratio.
    """

    def __init__(self, fusion: Fusion, scale_factor: int = 2) -> None:
        super().__init__()
        self.fusion = fusion
        self.scale_factor = scale_factor

    def forward(self, feat: Tensor) -> Tensor:
        """[B, C, h, w] to [B, C, s*h, s*w]."""
        size = [self.scale_factor * side for side in feat.shape[-2:]]
        if self.fusion.guided:
            guide = F.interpolate(feat, size, mode='bilinear')
        else:
            guide = feat.new_zeros(()).expand(feat.shape[0], 1, *size)  # which takes no memory
        return self.fusion(feat, guide)[0]


class SelfGuidedInside(KeptInit):
    """Mixin, to be named first: `SelfGuided` upsamplings in the places of a stock module's own."""

    @property
    def fusions(self) -> nn.ModuleList:
        return nn.ModuleList(module for module in self.modules() if isinstance(module, SelfGuided))
