"""The necks that make a pyramid of a plain transformer's maps, with a chosen upsampling.

Paper: Vision Transformers in UPerNet, as mmsegmentation has them; BEiT (ICLR 2022, arXiv 2106.08254).
Source: mmsegmentation's MultiLevelNeck and Feature2Pyramid, subclassed. A plain transformer has no finer map: what
    guides a guided layer is the map itself, see `SelfGuided`.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.necks import Feature2Pyramid, MultiLevelNeck
from mmseg.models.utils import resize
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, keeps_deconv, takes_fusion
from ..levels import check_maps
from ..self_guided import SelfGuided, SelfGuidedInside


@takes_fusion
class FusionMultiLevelNeck(KeptInit, MultiLevelNeck):
    """MultiLevelNeck with a chosen upsampling at its scales above 1.

    With `dict(type='bilinear')` it is `MultiLevelNeck`, same keys and numbers. `fusions` has one for each such scale.

    Args:
        in_channels: of the maps; of one, all levels are made.
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmsegmentation's `MultiLevelNeck`, from `out_channels` on.

    Raises:
        ValueError: a scale above 1 that is no whole number; maps that do not fit.

    Example:
        >>> import torch
        >>> neck = FusionMultiLevelNeck([8, 8, 8], 8, [2, 1, 0.5])
        >>> [tuple(out.shape[2:]) for out in neck([torch.rand(1, 8, 6, 5)] * 3)]
        [(12, 10), (6, 5), (3, 2)]
    """

    def __init__(
        self, in_channels: Sequence[int], *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(list(in_channels), *args, **kwargs)
        ratios = [scale for scale in self.scales if scale > 1]
        if any(ratio != int(ratio) for ratio in ratios):
            raise ValueError(f'FusionMultiLevelNeck: scales above 1 must be whole numbers, got {self.scales}')
        width = self.out_channels
        norm_cfg = arguments(super().__init__, list(in_channels), *args, **kwargs)['norm_cfg']
        offered = dict(keep_hr=False, norm_cfg=norm_cfg)
        self.fusions = nn.ModuleList(
            SelfGuided(build_fusion(upsample_cfg, width, width, **offered), int(ratio)) for ratio in ratios
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps [B, in_channels[i], h, w] to [B, out_channels, scales[i] * h, scales[i] * w]."""
        check_maps(type(self).__name__, inputs, self.in_channels)
        feats = [conv(feat) for conv, feat in zip(self.lateral_convs, inputs)]
        feats = feats * self.num_outs if len(feats) == 1 else feats
        fusions = iter(self.fusions)
        sized = [
            next(fusions)(feat) if scale > 1 else resize(feat, scale_factor=scale, mode='bilinear')
            for feat, scale in zip(feats, self.scales)
        ]
        return tuple(conv(feat) for conv, feat in zip(self.convs, sized))


@takes_fusion
class FusionFeature2Pyramid(SelfGuidedInside, Feature2Pyramid):
    """Feature2Pyramid with a chosen upsampling in place of its transposed convolutions.

    Norm and activation between two stay. `dict(type='deconv')` leaves the stock layers in their place: it is
    `Feature2Pyramid`, same keys and numbers.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmsegmentation's `Feature2Pyramid`.

    Example:
        >>> import torch
        >>> neck = FusionFeature2Pyramid(8, norm_cfg=dict(type='BN'))
        >>> [tuple(out.shape[2:]) for out in neck([torch.rand(2, 8, 6, 4)] * 4)]
        [(24, 16), (12, 8), (6, 4), (3, 2)]
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if keeps_deconv(type(self).__name__, upsample_cfg):
            return
        norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
        for steps in (self.upsample_4x, self.upsample_2x):
            for i, step in enumerate(steps or ()):
                if isinstance(step, nn.ConvTranspose2d):
                    width = step.in_channels
                    fusion = build_fusion(upsample_cfg, width, width, keep_hr=False, norm_cfg=norm_cfg)
                    steps[i] = SelfGuided(fusion)
