"""The semantic heads of HTC, SCNet and Panoptic FPN with chosen feature fusions.

Paper: Hybrid Task Cascade for Instance Segmentation (CVPR 2019); SCNet (AAAI 2021); Panoptic Feature Pyramid Networks
    (CVPR 2019).
Source: mmdet's FusedSemanticHead, SCNetSemanticHead and PanopticFPNHead, subclassed; the fusions take the place of
    their interpolation, which is bilinear.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models.roi_heads.mask_heads import FusedSemanticHead, SCNetSemanticHead
from mmdet.models.seg_heads import PanopticFPNHead
from torch import Tensor, nn, stack
from torch.nn.functional import interpolate

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps


class _FusedByFusions(KeptInit):
    """Mixin, to be named before the stock head: coarser levels come to the fused level by fusions.

    Convention:
        Each is guided by the fused level as it came, and of what it returns only the upsampled map is used. Finer
        levels come down as in the stock head. An interpolation follows `align_corners=True`, as there. With
        `dict(type='bilinear')` it is the stock head, same keys and numbers. `fusions` goes from fine to coarse.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of the stock head.

    Raises:
        ValueError: maps of another number, shape, channels or batch.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        options = dict(keep_hr=False, align_corners=True, norm_cfg=self.norm_cfg)
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, self.in_channels, self.in_channels, **options)
            for _ in range(self.fusion_level + 1, self.num_ins)
        )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps [B, in_channels, H_i, W_i], fine to coarse, to logits and the fused map, of the fused level's size."""
        check_maps(type(self).__name__, feats, [self.in_channels] * self.num_ins)
        level, fused = self.fusion_level, feats[self.fusion_level]
        x = self.lateral_convs[level](fused)
        for i, feat in enumerate(feats):
            if i < level:
                feat = interpolate(feat, fused.shape[-2:], mode='bilinear', align_corners=True)
            elif i > level:
                feat = self.fusions[i - level - 1](feat, fused)[0]
            if i != level:
                x = x + self.lateral_convs[i](feat)
        for i in range(self.num_convs):
            x = self.convs[i](x)
        return self.conv_logits(x), self.conv_embedding(x)


@takes_fusion
class FusionFusedSemanticHead(_FusedByFusions, FusedSemanticHead):
    """HTC's semantic head, its levels joined by fusions; see `_FusedByFusions`."""


@takes_fusion
class FusionSCNetSemanticHead(_FusedByFusions, SCNetSemanticHead):
    """SCNet's semantic head, its levels joined by fusions; see `_FusedByFusions`."""


@takes_fusion
class FusionPanopticFPNHead(KeptInit, PanopticFPNHead):
    """Panoptic FPN's semantic head, each level upsampled by fusions on its way to the finest.

    Convention:
        Each step is guided by the pyramid's map of the size to reach, as it came, and of what a fusion returns only the
        upsampled map is used. Sizes are free. With `dict(type='bilinear')` it is `PanopticFPNHead`, same keys and
        numbers. `fusions[i]` has the steps of the i-th level, deep to shallow.

    Args:
        in_channels: of every level.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: the others of mmdet's `PanopticFPNHead`.

    Raises:
        ValueError: maps of another number, shape, channels or batch.
    """

    def __init__(
        self,
        *,
        in_channels: int = 256,
        norm_cfg: dict[str, Any] | None = dict(type='GN', num_groups=32, requires_grad=True),
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        **kwargs,
    ) -> None:
        super().__init__(in_channels=in_channels, norm_cfg=norm_cfg, **kwargs)
        self.in_channels = in_channels
        self.fusions = nn.ModuleList(
            nn.ModuleList(
                build_fusion(upsample_cfg, self.inner_channels, in_channels, keep_hr=False, norm_cfg=norm_cfg)
                for _ in range(layers.num_upsample)
            )
            for layers in self.conv_upsample_layers
        )

    def forward(self, x: Sequence[Tensor]) -> dict[str, Tensor]:
        """Maps [B, in_channels, H_i, W_i], fine to coarse, to `seg_preds` and `seg_feats` of the finest size."""
        check_maps(type(self).__name__, x[: self.end_level], [self.in_channels] * self.end_level)
        feats = []
        for level, (layers, fusions) in enumerate(zip(self.conv_upsample_layers, self.fusions), self.start_level):
            feat, steps = x[level], iter(fusions)
            for conv, guide in zip(layers.conv, x[level - 1 :: -1] if level else (None,)):
                feat = conv(feat)
                feat = feat if guide is None else next(steps)(feat, guide)[0]
            feats.append(feat)
        seg_feats = stack(feats).sum(dim=0)
        return dict(seg_preds=self.conv_logits(seg_feats), seg_feats=seg_feats)
