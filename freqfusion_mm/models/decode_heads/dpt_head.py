"""DPT's decode head with a chosen feature fusion in its blocks.

Paper: Vision Transformers for Dense Prediction (ICCV 2021, arXiv 2103.13413).
Source: mmsegmentation's DPTHead, subclassed; the fusions take the place of its interpolation, which is bilinear.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads import DPTHead
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, takes_fusion
from ..self_guided import SelfGuided


@takes_fusion
class FusionDPTHead(KeptInit, DPTHead):
    """DPTHead whose blocks go up by fusions.

    Convention:
        Each fusion but the last is guided by the next finer level, and what it returns for that joins in its place;
        the last doubles the size by itself, see `SelfGuided`. An interpolation follows `align_corners=True`, as the
        stock blocks do. With `dict(type='bilinear')` it is `DPTHead`, same keys and numbers, where each level has twice
        the size of the next; other sizes are free, at the finer level's size. The transposed convolutions that make
        the levels out of a plain transformer's maps stay. `fusions` goes from deep to shallow.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: those of mmsegmentation's `DPTHead`.
    """

    def __init__(self, *, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(**kwargs)
        options = dict(align_corners=True, norm_cfg=arguments(super().__init__, **kwargs)['norm_cfg'])
        width, last = self.channels, len(self.fusion_blocks) - 1
        self.fusions = nn.ModuleList(build_fusion(upsample_cfg, width, width, **options) for _ in range(last))
        self.fusions.append(SelfGuided(build_fusion(upsample_cfg, width, width, keep_hr=False, **options)))

    def forward(self, inputs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Pairs of a map and its class token, one a level, to logits of twice the finest level's size."""
        levels = self.reassemble_blocks(self._transform_inputs(inputs))
        levels = [conv(level) for conv, level in zip(self.convs, levels)]
        fine, *finer = reversed(levels)
        feat = self.fusion_blocks[0].res_conv_unit2(fine)
        for i, level in enumerate(finer):
            lr_up, level = self.fusions[i](feat, level)
            block = self.fusion_blocks[i + 1]
            refined = block.res_conv_unit1(level.clone())  # which overwrites its input, the guide
            feat = block.res_conv_unit2(self.fusion_blocks[i].project(lr_up) + refined)
        feat = self.fusion_blocks[-1].project(self.fusions[-1](feat))
        return self.cls_seg(self.project(feat))
