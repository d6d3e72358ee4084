"""The pyramid of ESPNetv2's SSD: three coarser levels, then top-down fusions with pyramid pooling.

Paper: ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network, CVPR 2019,
    arXiv 1811.11431.
Source: sacmehta/EdgeNets (8082dae, MIT), written anew. Ours takes any number of channels, and the step up is a fusion.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...layers import ConvNormAct, EfficientPyramidPool, build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps

#: Of the depth-wise convolutions at the top-down steps, coarse to fine.
SCALES = ((2.0, 1.0), (2.0, 1.0, 0.5), (2.0, 1.0, 0.5, 0.25), (2.0, 1.0, 0.5, 0.25))
#: A step convolves so many times fewer channels than it hands out.
REDUCTION = 5


@takes_fusion
class ESPNetV2SSDNeck(KeptInit, BaseModule):
    """Three maps to six: two halvings and the mean of all, then four fusions from coarse to fine.

    Convention:
        Each halving rounds the size up; the last level has one pixel. The fusion's two outputs are concatenated, the
        coarser first. The two coarsest levels are handed out as they are.

    Args:
        in_channels: of the maps, fine to coarse (strides 8, 16, 32).
        extra_channels: of the three levels that are added.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`. The default is
            the released step.
        init_cfg: mmengine's; the released convolutions start from Xavier's uniform distribution.

    Raises:
        ValueError: other than three of either channels, or maps of another number or of other channels.

    Example:
        >>> neck = ESPNetV2SSDNeck([16, 32, 64], [32, 16, 8])
        >>> maps = [torch.rand(2, 16, 38, 38), torch.rand(2, 32, 19, 19), torch.rand(2, 64, 10, 10)]
        >>> [tuple(out.shape[1:]) for out in neck(maps)]
        [(16, 38, 38), (32, 19, 19), (64, 10, 10), (32, 5, 5), (16, 3, 3), (8, 1, 1)]
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        extra_channels: Sequence[int] = (512, 256, 128),
        upsample_cfg: str | type | dict[str, Any] = dict(type='bilinear', align_corners=True),
        init_cfg: dict | list | None = dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if len(in_channels) != 3 or len(extra_channels) != 3:
            raise ValueError(
                f'in_channels and extra_channels want three numbers each, got {in_channels} and {extra_channels}'
            )
        self.in_channels = list(in_channels)
        self.out_channels = [*in_channels, *extra_channels]
        coarsest, *extra = self.out_channels[2:]
        self.halvings = nn.ModuleList(
            nn.Sequential(ConvNormAct(before, before, 3, stride=2, groups=before), ConvNormAct(before, after))
            for before, after in zip((coarsest, extra[0]), extra)
        )
        self.whole = nn.Conv2d(extra[1], extra[2], 1, bias=False)
        coarse_to_fine = self.out_channels[4::-1]
        steps = list(zip(coarse_to_fine, coarse_to_fine[1:]))
        self.fusions = nn.ModuleList(build_fusion(upsample_cfg, coarse, fine) for coarse, fine in steps)
        self.pools = nn.ModuleList(
            EfficientPyramidPool(coarse + fine, fine, fine // REDUCTION, scales)
            for (coarse, fine), scales in zip(steps, SCALES)
        )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps, fine to coarse, to six, fine to coarse."""
        check_maps('ESPNetV2SSDNeck', feats, self.in_channels)
        levels = list(feats)
        for halving in self.halvings:
            levels.append(halving(levels[-1]))
        whole = F.relu(self.whole(F.adaptive_avg_pool2d(levels[-1], 1)))
        outs = [levels.pop()]
        for fusion, pool in zip(self.fusions, self.pools):
            outs.append(pool(torch.cat(fusion(outs[-1], levels.pop()), dim=1)))
        return (*outs[::-1], whole)
