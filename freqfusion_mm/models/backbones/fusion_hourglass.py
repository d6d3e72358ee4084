"""The Hourglass network of CornerNet with chosen feature fusions.

Paper: Stacked Hourglass Networks for Human Pose Estimation (ECCV 2016, arXiv 1603.06937).
Source: mmdet's HourglassNet, subclassed; the fusions take the place of its interpolation, which is `nearest`.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models.backbones import HourglassNet
from mmdet.models.backbones.hourglass import HourglassModule
from torch import Tensor, nn

from ...layers import Fusion, build_fusion
from ..fusions import KeptInit, arguments, takes_fusion


@takes_fusion
class FusionHourglassNet(KeptInit, HourglassNet):
    """HourglassNet whose every step up is a fusion, guided by the map that it joins.

    Convention:
        The fusion's two outputs are added. With `dict(type='nearest')` it is `HourglassNet`, same keys and numbers.
        `fusions[i]` holds those of the i-th hourglass, shallow to deep.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `HourglassNet`.

    Example:
        >>> import torch
        >>> net = FusionHourglassNet(2, 1, (8, 8, 16), (1, 1, 1), feat_channel=8)
        >>> [tuple(out.shape) for out in net(torch.rand(1, 3, 70, 54))]
        [(1, 8, 18, 14)]
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
        self.fusions = nn.ModuleList()
        for hourglass in self.hourglass_modules:
            channels = [module.conv2.out_channels for module in _last_blocks(hourglass)]
            fusions = (build_fusion(upsample_cfg, width, width, norm_cfg=norm_cfg) for width in channels)
            self.fusions.append(nn.ModuleList(fusions))

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, 3, H, W] to one map of each hourglass, at a quarter of the size, rounded up."""
        feat, outs = self.stem(x), []
        for i, (hourglass, fusions) in enumerate(zip(self.hourglass_modules, self.fusions)):
            outs.append(self.out_convs[i](_down_and_up(hourglass, fusions, feat)))
            if i < self.num_stacks - 1:
                feat = self.relu(self.conv1x1s[i](feat) + self.remap_convs[i](outs[-1]))
                feat = self.inters[i](feat)
        return outs


def _last_blocks(hourglass: HourglassModule) -> list[nn.Module]:
    """The last block before each joint, shallow to deep."""
    deeper = _last_blocks(hourglass.low2) if hourglass.depth > 1 else []
    return [hourglass.up1[-1], *deeper]


def _down_and_up(hourglass: HourglassModule, fusions: Sequence[Fusion], x: Tensor) -> Tensor:
    low = hourglass.low1(x)
    low = _down_and_up(hourglass.low2, fusions[1:], low) if hourglass.depth > 1 else hourglass.low2(low)
    lr_up, fine = fusions[0](hourglass.low3(low), hourglass.up1(x))
    return fine + lr_up
