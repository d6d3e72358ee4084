"""YOLOv3's neck with a chosen feature fusion.

Paper: YOLOv3: An Incremental Improvement (arXiv 1804.02767).
Source: mmdet's YOLOV3Neck, subclassed; the fusion takes the place of its interpolation.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.necks import YOLOV3Neck
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionYOLOV3Neck(KeptInit, YOLOV3Neck):
    """YOLOV3Neck whose steps up are fusions.

    Convention:
        Each step concatenates the fusion's two outputs. With `dict(type='nearest')` it is `YOLOV3Neck`, same keys and
        numbers. Sizes are free. `fusions` goes from deep to shallow.

    Args:
        num_scales: number of levels.
        in_channels: of the levels, coarse to fine.
        out_channels: of the results, coarse to fine.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: the others of mmdet's `YOLOV3Neck`.

    Raises:
        ValueError: maps of another number, shape, channels or batch.

    Example:
        >>> neck = FusionYOLOV3Neck(2, [16, 8], [8, 4])
        >>> [tuple(out.shape) for out in neck([torch.rand(2, 8, 13, 10), torch.rand(2, 16, 7, 5)])]
        [(2, 8, 7, 5), (2, 4, 13, 10)]
    """

    def __init__(
        self,
        num_scales: int,
        in_channels: Sequence[int],
        out_channels: Sequence[int],
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        **kwargs,
    ) -> None:
        super().__init__(num_scales, in_channels, out_channels, **kwargs)
        norm_cfg = arguments(super().__init__, num_scales, in_channels, out_channels, **kwargs)['norm_cfg']
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, lr, hr, norm_cfg=norm_cfg) for lr, hr in zip(out_channels[1:], in_channels[1:])
        )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps, fine to coarse, to as many, coarse to fine."""
        check_maps('FusionYOLOV3Neck', feats, self.in_channels[::-1])
        outs = [self.detect1(feats[-1])]
        for i, (fusion, fine) in enumerate(zip(self.fusions, feats[-2::-1]), 1):
            conv, detect = getattr(self, f'conv{i}'), getattr(self, f'detect{i + 1}')
            outs.append(detect(torch.cat(fusion(conv(outs[-1]), fine), dim=1)))
        return tuple(outs)
