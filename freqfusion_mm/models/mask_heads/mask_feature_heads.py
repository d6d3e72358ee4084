"""The one-stage instance heads whose masks come from one fine map, the upsampling on the way to it chosen.

Paper: SOLOv2 (NeurIPS 2020, arXiv 2003.10152); RTMDet (arXiv 2212.07784); YOLACT (ICCV 2019, arXiv 1904.02689).
Source: mmdet's SOLOV2Head, RTMDetInsSepBNHead and YOLACTProtonet, subclassed; ours takes the place of their
    interpolation, which is bilinear.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads import RTMDetInsSepBNHead, SOLOV2Head, YOLACTProtonet
from mmdet.models.dense_heads.rtmdet_ins_head import MaskFeatModule
from mmdet.models.dense_heads.solov2_head import MaskFeatModule as SOLOMaskFeatModule
from mmdet.models.dense_heads.yolact_head import InterpolateModule
from mmdet.models.utils import generate_coordinate
from torch import Tensor, nn

from ...layers import build_fusion
from ..concat_fusions import build_concat_fusions, concat_fuse
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps
from ..self_guided import SelfGuided, SelfGuidedInside


class _FusionSOLOFeatures(SOLOMaskFeatModule):
    """SOLOv2's MaskFeatModule, each level upsampled by fusions on its way to the finest."""

    def __init__(self, upsample_cfg: str | type | dict[str, Any], **kwargs) -> None:
        super().__init__(**kwargs)
        self.fusions = nn.ModuleList()
        options = dict(keep_hr=False, norm_cfg=self.norm_cfg)
        for steps in self.convs_all_levels:
            fusions = nn.ModuleList()
            for name, step in list(steps.named_children()):
                if isinstance(step, nn.Upsample):
                    delattr(steps, name)
                    fusions.append(build_fusion(upsample_cfg, self.feat_channels, self.in_channels, **options))
            self.fusions.append(fusions)

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        check_maps('FusionSOLOV2Head', x[: self.end_level + 1], [self.in_channels] * (self.end_level + 1))
        feats = []
        for level, (convs, fusions) in enumerate(zip(self.convs_all_levels, self.fusions), self.start_level):
            feat, steps = x[level], iter(fusions)
            if feats and level == self.end_level:
                feat = torch.cat([feat, generate_coordinate(feat.size(), feat.device)], dim=1)
            for conv, guide in zip(convs, x[level - 1 :: -1] if level else (None,)):
                feat = conv(feat)
                feat = feat if guide is None else next(steps)(feat, guide)[0]
            feats.append(feat)
        return self.conv_pred(sum(feats[1:], start=feats[0]))


@takes_fusion
class FusionSOLOV2Head(KeptInit, SOLOV2Head):
    """SOLOv2's head with chosen fusions in the branch of its mask features.

    Convention:
        Each step is guided by the pyramid's map of the size to reach, as it came, and of what a fusion returns only the
        upsampled map is used. Sizes are free. With `dict(type='bilinear')` it is `SOLOV2Head`, same keys and numbers.
        `fusions[i]` has the steps of the branch's i-th level, deep to shallow.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `SOLOV2Head`.
    """

    def __init__(
        self,
        *args,
        mask_feature_head: dict[str, Any],
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        **kwargs,
    ) -> None:
        super().__init__(*args, mask_feature_head=mask_feature_head, **kwargs)  # which adds its in_channels
        self.mask_feature_head = _FusionSOLOFeatures(upsample_cfg, **mask_feature_head)

    @property
    def fusions(self) -> nn.ModuleList:
        return self.mask_feature_head.fusions


@takes_fusion
class FusionYOLACTProtonet(SelfGuidedInside, YOLACTProtonet):
    """YOLACT's prototypes with a chosen upsampling, guided by the map itself, see `SelfGuided`.

    With `dict(type='bilinear')` it is `YOLACTProtonet`, same keys and numbers.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `YOLACTProtonet`.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        width = self.in_channels
        for i, layer in enumerate(self.protonet):
            width = getattr(layer, 'out_channels', width)
            if isinstance(layer, InterpolateModule):
                fusion = build_fusion(upsample_cfg, width, width, keep_hr=False)
                self.protonet[i] = SelfGuided(fusion, layer.kwargs['scale_factor'])


class _FusionMaskFeatures(MaskFeatModule):
    """RTMDet-Ins' MaskFeatModule, its levels joined by fusions."""

    def __init__(self, in_channels: int, num_levels: int, fusions: nn.ModuleList, **kwargs) -> None:
        super().__init__(in_channels, num_levels=num_levels, **kwargs)
        self.level_channels = [in_channels] * num_levels
        self.fusions = fusions
        self.num_levels = 1  # the stock forward gets the levels joined

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        levels = features[: len(self.level_channels)]
        check_maps('FusionRTMDetInsSepBNHead', levels, self.level_channels)
        return super().forward([concat_fuse(self.fusions, levels)])


@takes_fusion
class FusionRTMDetInsSepBNHead(KeptInit, RTMDetInsSepBNHead):
    """RTMDet-Ins' head with chosen fusions where the levels join for its mask features.

    Interpolations go straight to the finest level, as in the stock head; x2 fusions go from deep to shallow, see
    `concat_fuse`. With `dict(type='bilinear')` it is `RTMDetInsSepBNHead`, same keys and numbers.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmdet's `RTMDetInsSepBNHead`.
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        width, levels = self.in_channels, len(self.prior_generator.strides)
        self.mask_head = _FusionMaskFeatures(
            width,
            levels,
            build_concat_fusions(upsample_cfg, [width] * levels, norm_cfg=self.norm_cfg),
            feat_channels=self.feat_channels,
            num_prototypes=self.num_prototypes,
            act_cfg=self.act_cfg,
            norm_cfg=self.norm_cfg,
        )

    @property
    def fusions(self) -> nn.ModuleList:
        return self.mask_head.fusions
