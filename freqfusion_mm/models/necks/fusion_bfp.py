"""The balanced pyramid of Libra R-CNN with chosen feature fusions.

Paper: Libra R-CNN: Towards Balanced Learning for Object Detection (CVPR 2019, arXiv 1904.02701).
Source: mmdet's BFP, subclassed; the fusions take the place of its interpolation, which is `nearest`.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models.necks import BFP
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionBFP(KeptInit, BFP):
    """BFP whose levels are gathered, and scattered, by fusions.

    Convention:
        A coarser level is brought to the refined level guided by that level's map; the refined map goes to a finer
        level guided by that level's map, and the fusion's two outputs are added. The steps down stay. Sizes are free.
        With `dict(type='nearest')` it is `BFP`, same keys and numbers. `fusions` has those of the coarser levels, fine
        to coarse, then those of the finer levels, fine to coarse.

    Args:
        in_channels: of every level.
        num_levels: of them.
        refine_level: the level that is refined.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: the others of mmdet's `BFP`.

    Raises:
        ValueError: maps of another number, shape, channels or batch.

    Example:
        >>> import torch
        >>> neck = FusionBFP(8, 3, refine_level=1)
        >>> [tuple(out.shape[2:]) for out in neck([torch.rand(1, 8, s, s) for s in (13, 7, 4)])]
        [(13, 13), (7, 7), (4, 4)]
    """

    def __init__(
        self,
        in_channels: int,
        num_levels: int,
        refine_level: int = 2,
        *args,
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        **kwargs,
    ) -> None:
        super().__init__(in_channels, num_levels, refine_level, *args, **kwargs)
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, in_channels, in_channels, keep_hr=level < refine_level, norm_cfg=self.norm_cfg)
            for level in (*range(refine_level + 1, num_levels), *range(refine_level))
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps [B, in_channels, H_i, W_i], fine to coarse, to as many of the same sizes."""
        check_maps(type(self).__name__, inputs, [self.in_channels] * self.num_levels)
        middle, fusions = inputs[self.refine_level], iter(self.fusions)
        size = middle.shape[2:]
        gathered = [adaptive_max_pool2d(feat, size) for feat in inputs[: self.refine_level]]
        gathered += [middle, *(next(fusions)(feat, middle)[0] for feat in inputs[self.refine_level + 1 :])]
        refined = sum(gathered) / len(gathered)
        if self.refine_type is not None:
            refined = self.refine(refined)
        outs = []
        for i, feat in enumerate(inputs):
            if i < self.refine_level:
                residual, feat = next(fusions)(refined, feat)
            else:
                residual = adaptive_max_pool2d(refined, feat.shape[2:])
            outs.append(residual + feat)
        return tuple(outs)
