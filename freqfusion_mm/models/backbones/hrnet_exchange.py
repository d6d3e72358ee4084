"""The exchange units of HRNet, their upsampling chosen: what the twins of mmseg's and mmdet's HRNet share.

Paper: Deep High-Resolution Representation Learning for Visual Recognition (TPAMI 2020, arXiv 1908.07919).
Source: the forward passes of mmsegmentation's and mmdet's HRNet, which differ in their interpolation, written anew.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ...layers import Fusion, build_fusion
from ..fusions import KeptInit


class ExchangeByFusions(KeptInit):
    """Mixin, to be named before the stock HRNet: a coarser branch joins a finer one by a fusion.

    Convention:
        Each step up of each unit has a fusion of its own, of the coarse map at the finer branch's width. What it
        returns for the finer branch's map replaces that in the sum, and guides the next coarser branch. Sizes are free.
        `fusions[i]` holds those of the i-th unit, in the order of the sums.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of the stock `HRNet`.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fusions = nn.ModuleList()
        for unit in self._units():
            fusions = nn.ModuleList()
            for i, layers in enumerate(unit.fuse_layers or ()):
                width = unit.in_channels[i]
                for step in layers[i + 1 :]:
                    step[-1] = nn.Identity()
                    fusions.append(build_fusion(upsample_cfg, width, width, norm_cfg=self.norm_cfg))
            self.fusions.append(fusions)

    def _units(self) -> list[nn.Module]:
        return [*self.stage2, *self.stage3, *self.stage4]

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, in_channels, H, W] to the maps of the branches, 1/4 of the size and coarser."""
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        feats = [self.layer1(x)]
        fusions = iter(self.fusions)
        stages = (self.transition1, self.stage2), (self.transition2, self.stage3), (self.transition3, self.stage4)
        for transition, stage in stages:
            feats = [feats[i] if step is None else step(feats[-1]) for i, step in enumerate(transition)]
            for unit in stage:
                feats = _exchange(unit, next(fusions), feats)
        return feats


def _exchange(unit: nn.Module, fusions: Sequence[Fusion], feats: list[Tensor]) -> list[Tensor]:
    """A stock `HRModule` with fusions."""
    feats = [branch(feat) for branch, feat in zip(unit.branches, feats)]
    if unit.fuse_layers is None:
        return feats
    steps, outs = iter(fusions), []
    for i, layers in enumerate(unit.fuse_layers):
        fine, ups = feats[i], []
        for coarse, layer in zip(feats[i + 1 :], layers[i + 1 :]):
            lr_up, fine = next(steps)(layer(coarse), fine)
            ups.append(lr_up)
        downs = [layer(feat) for layer, feat in zip(layers[:i], feats)]
        outs.append(unit.relu(sum([*downs, fine, *ups])))
    return outs
