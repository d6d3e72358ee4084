"""BiSeNet and STDC with a chosen feature fusion in their context path.

Paper: BiSeNet (ECCV 2018, arXiv 1808.00897); Rethinking BiSeNet For Real-time Semantic Segmentation (CVPR 2021).
Source: mmsegmentation's BiSeNetV1 and STDCContextPathNet, subclassed; the fusions take the place of their
    interpolation, which is `nearest`.
"""

from typing import Any

from mmseg.models.backbones import BiSeNetV1
from mmseg.models.backbones.stdc import STDCContextPathNet
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, refuse_mode, takes_fusion


@takes_fusion
class FusionBiSeNetV1(KeptInit, BiSeNetV1):
    """BiSeNetV1 whose context path goes up by fusions.

    Convention:
        The first fusion is guided by the refined 1/16 map, which it joins; the second, by the 1/8 map of the context
        path, which nothing else uses. With `dict(type='nearest')` it is `BiSeNetV1`, same keys and numbers.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmsegmentation's `BiSeNetV1`.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        channels = self.context_path.conv_head32.in_channels
        norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
        offered = dict(align_corners=self.align_corners, norm_cfg=norm_cfg)
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, channels, channels, keep_hr, **offered) for keep_hr in (True, False)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, in_channels, H, W] to the maps `out_indices` of: fused, context at 1/8, context at 1/16."""
        path = self.context_path
        _, feat8, feat16, feat32 = path.backbone(x)
        lr_up, refined16 = self.fusions[0](path.arm32(feat32) + path.gap_conv(feat32), path.arm16(feat16))
        context16 = path.conv_head32(lr_up)
        lr_up, _ = self.fusions[1](refined16 + context16, feat8)
        context8 = path.conv_head16(lr_up)
        outs = self.ffm(self.spatial_path(x), context8), context8, context16
        return tuple(outs[i] for i in self.out_indices)


@takes_fusion
class FusionSTDCContextPathNet(KeptInit, STDCContextPathNet):
    """STDC whose context path goes up by fusions.

    Convention:
        Each fusion is guided by the finer map of the backbone; the next attention reads that map as it came. With
        `dict(type='nearest')` it is `STDCContextPathNet`, same keys and numbers.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmsegmentation's `STDCContextPathNet`.

    Raises:
        ValueError: `upsample_mode`, which `upsample_cfg` replaces.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        refuse_mode('FusionSTDCContextPathNet', 'upsample_mode', kwargs, stock='nearest')
        super().__init__(*args, **kwargs)
        channels = self.conv_avg.out_channels
        guides = self.backbone.channels[-2 : -2 - len(self.arms) : -1]
        norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
        offered = dict(keep_hr=False, align_corners=self.align_corners, norm_cfg=norm_cfg)
        self.fusions = nn.ModuleList(build_fusion(upsample_cfg, channels, guide, **offered) for guide in guides)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, C, H, W] to the finest map, the context maps, coarse to fine, and their fusion."""
        levels = self.backbone(x)
        feat = self.conv_avg(adaptive_avg_pool2d(levels[-1], 1))
        feat = interpolate(feat, levels[-1].shape[2:])
        contexts = []
        steps = zip(self.fusions, self.arms, self.convs, reversed(levels), levels[-2::-1])
        for fusion, refine, conv, level, finer in steps:
            lr_up, _ = fusion(refine(level) + feat, finer)
            feat = conv(lr_up)
            contexts.append(feat)
        return levels[0], *contexts, self.ffm(levels[0], contexts[1])
