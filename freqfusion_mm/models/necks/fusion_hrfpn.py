"""HRNet's pyramid neck with a chosen feature fusion where its levels are resized and concatenated.

Paper: High-Resolution Representations for Labeling Pixels and Regions (arXiv 1904.04514).
Source: mmdet's HRFPN, subclassed; the fusions are those of FreqFusion's concatenating heads.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models.necks import HRFPN
from torch import Tensor

from ..concat_fusions import build_concat_fusions, concat_fuse
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionHRFPN(KeptInit, HRFPN):
    """HRFPN whose levels join by fusions.

    Convention:
        Interpolations go straight to the finest level, as in the stock neck; x2 fusions go from deep to shallow, see
        `concat_fuse`. Sizes are free. With `dict(type='bilinear')` it is `HRFPN`, same keys and numbers. `fusions`
        holds the fusions from deep to shallow.

    Args:
        in_channels: of the levels, fine to coarse.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `HRFPN`, from `out_channels` on.

    Raises:
        ValueError: maps of another number, shape, channels or batch.

    Example:
        >>> import torch
        >>> neck = FusionHRFPN([8, 16], 8, num_outs=2)
        >>> [tuple(out.shape[2:]) for out in neck([torch.rand(1, 8, 13, 10), torch.rand(1, 16, 7, 5)])]
        [(13, 10), (6, 5)]
    """

    def __init__(
        self, in_channels: Sequence[int], *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(list(in_channels), *args, **kwargs)
        self.num_ins = 1  # the stock neck gets the levels joined
        self.fusions = build_concat_fusions(upsample_cfg, in_channels, norm_cfg=self.norm_cfg)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps [B, in_channels[i], H_i, W_i], fine to coarse, to `num_outs` of [B, out_channels, H_0 // 2^i, ...]."""
        check_maps('FusionHRFPN', inputs, self.in_channels)
        return super().forward([concat_fuse(self.fusions, inputs)])
