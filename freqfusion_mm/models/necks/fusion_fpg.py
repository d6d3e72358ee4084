"""Feature Pyramid Grids with chosen feature fusions on their way down the pyramid.

Paper: Feature Pyramid Grids (arXiv 2004.03580).
Source: mmdet's FPG, subclassed; the fusions take the place of the interpolation in its `interpolation_conv`.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models.necks import FPG
from mmdet.models.necks.fpg import UpInterpolationConv
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionFPG(KeptInit, FPG):
    """FPG whose maps go to the next finer level by fusions.

    Convention:
        Each transition with an interpolation gets a fusion of its own, guided by the map that its pathway has at the
        finer level; the convolution stays behind it. Of the fusion, only the upsampled map is used: the finer map has
        its own transitions. Sizes are free. With `dict(type='nearest')` it is `FPG`, same keys and numbers.
        `fusions` has them by 'stage_level_transition', of the level that is reached.

    Args:
        in_channels: of the levels, fine to coarse.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `FPG`, from `out_channels` on.

    Raises:
        ValueError: maps of another number, shape, channels or batch.
    """

    def __init__(
        self, in_channels: Sequence[int], *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(list(in_channels), *args, **kwargs)
        norm_cfg = arguments(super().__init__, list(in_channels), *args, **kwargs)['norm_cfg']
        self.fusions = nn.ModuleDict()
        for stage, levels in enumerate(self.fpn_transitions):
            names = ('same_down', 'across_down') if self.paths[stage] == 'td' else ('across_down',)
            for level, steps in enumerate(levels):
                for name in names:
                    if name in steps and isinstance(steps[name], UpInterpolationConv):
                        coarse, fine = self.inter_channels[level + 1], self.inter_channels[level]
                        fusion = build_fusion(upsample_cfg, coarse, fine, keep_hr=False, norm_cfg=norm_cfg)
                        self.fusions[f'{stage}_{level}_{name}'] = fusion

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B, in_channels[i], H_i, W_i], fine to coarse, to `num_outs` of [B, out_channels, H_i, W_i]."""
        check_maps('FusionFPG', inputs, self.in_channels)
        feats = [conv(feat) for conv, feat in zip(self.lateral_convs, inputs[self.start_level :])]
        for downsample in self.extra_downsamples:
            feats.append(downsample(feats[-1]))
        outs = [feats]
        for stage in range(self.stack_times):
            outs.append(self._pathway(stage, outs))
        return [step([maps[i] for maps in outs]) for i, step in enumerate(self.output_transition)]

    def _pathway(self, stage: int, outs: list[list[Tensor]]) -> list[Tensor]:
        """One pathway, from the maps of those before it."""
        down, current, made = self.paths[stage] == 'td', outs[-1], []
        for place in range(self.num_outs):
            if stage in self.skip_inds[place]:
                made.append(current[place])
                continue
            level = self.num_outs - 1 - place if down else place
            steps = self.fpn_transitions[stage][level]
            name = 'same_down' if down else 'same_up'
            parts = []  # in the stock neck's order
            if steps[name] is not None:
                parts.append(self._step(stage, level, name, made[-1], current[level]))
            if steps['across_lateral'] is not None:
                parts.append(steps['across_lateral'](current[level]))
            if level > 0 and steps['across_up'] is not None:
                parts.append(steps['across_up'](current[level - 1]))
            if level < self.num_outs - 1 and steps['across_down'] is not None:
                parts.append(self._step(stage, level, 'across_down', current[level + 1], current[level]))
            if steps['across_skip'] is not None:
                parts.append(steps['across_skip'](outs[0][level]))
            made.append(sum(parts[1:], start=parts[0]))
        return made[::-1] if down else made

    def _step(self, stage: int, level: int, name: str, feat: Tensor, guide: Tensor) -> Tensor:
        """A transition from a neighbouring level, with its fusion where it has one."""
        step, key = self.fpn_transitions[stage][level][name], f'{stage}_{level}_{name}'
        return step.conv(self.fusions[key](feat, guide)[0]) if key in self.fusions else step(feat)
