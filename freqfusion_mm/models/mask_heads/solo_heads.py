"""SOLO's heads with a chosen upsampling where they double their mask features.

Paper: SOLO: Segmenting Objects by Locations (ECCV 2020, arXiv 1912.04488).
Source: mmdet's SOLOHead, DecoupledSOLOHead and DecoupledSOLOLightHead, subclassed, their forward written anew; ours
    takes the place of the interpolation of features, which is bilinear.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads import DecoupledSOLOHead, DecoupledSOLOLightHead, SOLOHead
from mmdet.models.utils import generate_coordinate
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..self_guided import SelfGuided


class _DoubledByFusions(KeptInit):
    """Mixin, to be named before the stock head, of which a subclass lists the mask branches.

    Convention:
        Each branch has one upsampling for all levels, as its convolutions are; it is guided by the map itself, see
        `SelfGuided`. With `dict(type='bilinear')` it is the stock head, same keys and numbers.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of the stock head.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        width, options = self.feat_channels, dict(keep_hr=False, norm_cfg=self.norm_cfg)
        self.fusions = nn.ModuleList(
            SelfGuided(build_fusion(upsample_cfg, width, width, **options)) for _ in self._branches()
        )

    def _branches(self) -> list[tuple[nn.ModuleList, slice, list[nn.ModuleList]]]:
        """Of each branch the convolutions, the coordinates that it reads, and what makes its masks, by level."""
        raise NotImplementedError

    def forward(self, x: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Maps [B, in_channels, H_i, W_i], fine to coarse, to the masks of each kind, and the scores, by level."""
        feats = self.resize_feats(x)
        size = [2 * side for side in feats[0].shape[-2:]]
        outs = [(*self._masks(i, feat, size), self._scores(i, feat)) for i, feat in enumerate(feats)]
        return tuple(list(kind) for kind in zip(*outs))

    def _masks(self, level: int, feat: Tensor, size: list[int]) -> list[Tensor]:
        coordinates = generate_coordinate(feat.size(), feat.device)
        masks = []
        for (convs, read, makers), upsample in zip(self._branches(), self.fusions):
            branch = torch.cat([feat, coordinates[:, read]], dim=1)
            for conv in convs:
                branch = conv(branch)
            branch = upsample(branch)
            masks += [make[level](branch) for make in makers]
        return masks if self.training else [interpolate(mask.sigmoid(), size, mode='bilinear') for mask in masks]

    def _scores(self, level: int, feat: Tensor) -> Tensor:
        for i, conv in enumerate(self.cls_convs):
            if i == self.cls_down_index:
                feat = interpolate(feat, self.num_grids[level], mode='bilinear')
            feat = conv(feat)
        scores = self.conv_cls(feat)
        if self.training:
            return scores
        scores = scores.sigmoid()
        return scores * (max_pool2d(scores, 2, stride=1, padding=1)[:, :, :-1, :-1] == scores)  # local maxima


@takes_fusion
class FusionSOLOHead(_DoubledByFusions, SOLOHead):
    """SOLO's head with a chosen upsampling; see `_DoubledByFusions`."""

    def _branches(self) -> list[tuple[nn.ModuleList, slice, list[nn.ModuleList]]]:
        return [(self.mask_convs, slice(2), [self.conv_mask_list])]


@takes_fusion
class FusionDecoupledSOLOHead(_DoubledByFusions, DecoupledSOLOHead):
    """Decoupled SOLO's head, of a branch for each axis, with a chosen upsampling; see `_DoubledByFusions`."""

    def _branches(self) -> list[tuple[nn.ModuleList, slice, list[nn.ModuleList]]]:
        return [
            (self.mask_convs_x, slice(0, 1), [self.conv_mask_list_x]),
            (self.mask_convs_y, slice(1, 2), [self.conv_mask_list_y]),
        ]


@takes_fusion
class FusionDecoupledSOLOLightHead(_DoubledByFusions, DecoupledSOLOLightHead):
    """The light decoupled SOLO's head with a chosen upsampling; see `_DoubledByFusions`."""

    def _branches(self) -> list[tuple[nn.ModuleList, slice, list[nn.ModuleList]]]:
        return [(self.mask_convs, slice(2), [self.conv_mask_list_x, self.conv_mask_list_y])]
