"""The relatives of FPN in mmdet, their top-down path upsampled by a chosen fusion.

Paper: Path Aggregation Network for Instance Segmentation (CVPR 2018); DropBlock (NeurIPS 2018) in a pyramid, as
    GLIP's configs use it; DetectoRS (CVPR 2021); CLRNet (CVPR 2022).
Source: results and weight names of mmdet's PAFPN, FPN_DropBlock and CLRFPN, written anew on `FusionFPN`; mmdet's
    RFP, subclassed.
"""

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmdet.models.necks import FPN, RFP
from mmdet.registry import MODELS
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import arguments, takes_fusion
from .fusion_fpn import FusionFPN


@takes_fusion
class FusionFPNDropBlock(FusionFPN):
    """FPN_DropBlock: each merged level goes through a plugin.

    With `dict(type='nearest')` it is mmdet's `FPN_DropBlock`, same keys and numbers.

    Args:
        plugin: config of the plugin, mmdet's DropBlock by default; None: none.
        args, kwargs: those of `FusionFPN`, `upsample_cfg` among them.

    Example:
        >>> import torch
        >>> neck = FusionFPNDropBlock([8, 16], 8, num_outs=2)
        >>> [tuple(out.shape[2:]) for out in neck([torch.rand(1, 8, 13, 10), torch.rand(1, 16, 7, 5)])]
        [(13, 10), (7, 5)]
    """

    def __init__(
        self,
        *args,
        plugin: dict[str, Any] | None = dict(type='mmdet.DropBlock', drop_prob=0.3, block_size=3, warmup_iters=0),
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.plugin = None if plugin is None else MODELS.build(plugin)

    def merged(self, lateral: Tensor) -> Tensor:
        return lateral if self.plugin is None else self.plugin(lateral)


@takes_fusion
class FusionPAFPN(FusionFPN):
    """PAFPN: behind the top-down path, a path from fine to coarse of strided convolutions.

    With `dict(type='nearest')` it is mmdet's `PAFPN`, same keys and numbers.

    Args:
        args, kwargs: those of `FusionFPN`, `upsample_cfg` among them.

    Example:
        >>> import torch
        >>> neck = FusionPAFPN([8, 16], 8, num_outs=2)
        >>> [tuple(out.shape[2:]) for out in neck([torch.rand(1, 8, 13, 10), torch.rand(1, 16, 7, 5)])]
        [(13, 10), (7, 5)]
    """

    def __init__(self, in_channels, out_channels, num_outs, *args, **kwargs) -> None:
        super().__init__(in_channels, out_channels, num_outs, *args, **kwargs)
        given = arguments(FusionFPN, in_channels, out_channels, num_outs, *args, **kwargs)
        options = {name: given[name] for name in ('conv_cfg', 'norm_cfg', 'act_cfg')}
        convs = nn.ModuleList(), nn.ModuleList()
        self.downsample_convs, self.pafpn_convs = convs
        for made, stride in zip(convs, (2, 1)):
            for _ in self.fusions:
                made.append(
                    ConvModule(out_channels, out_channels, 3, stride=stride, padding=1, inplace=False, **options)
                )

    def levels_out(self, outs: list[Tensor]) -> list[Tensor]:
        for i, conv in enumerate(self.downsample_convs):
            outs[i + 1] = outs[i + 1] + conv(outs[i])
        return [outs[0], *(conv(out) for conv, out in zip(self.pafpn_convs, outs[1:]))]


@takes_fusion
class FusionCLRFPN(FusionFPN):
    """CLRNet's pyramid, an FPN with an exclusive `end_level`, which may get more maps than it reads.

    With `dict(type='nearest')` it is mmdet's `CLRFPN`, same keys and numbers.

    Args:
        in_channels: of the maps that it reads, the first of those that it gets, fine to coarse.
        end_level: the first map that is not read; -1: none.
        attention, cfg: nothing, as in `CLRFPN`.
        extra_convs_on_inputs: what `add_extra_convs=True` means: 'on_input', or else 'on_output'.
        init_cfg: as in `FusionFPN`, but none by default: CLRFPN stays as it was built.
        args, kwargs: the others of `FusionFPN`, `upsample_cfg` among them.

    Example:
        >>> import torch
        >>> neck = FusionCLRFPN([8, 16], 8, num_outs=2)
        >>> maps = [torch.rand(1, c, s, s) for c, s in ((8, 13), (16, 7), (32, 4))]
        >>> [tuple(out.shape[2:]) for out in neck(maps)]
        [(13, 13), (7, 7)]
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int,
        start_level: int = 0,
        end_level: int = -1,
        add_extra_convs: bool | str = False,
        *args,
        extra_convs_on_inputs: bool = True,
        attention: bool = False,
        cfg: Any = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ) -> None:
        end_level = end_level if end_level == -1 else end_level - 1
        if add_extra_convs is True:
            add_extra_convs = 'on_input' if extra_convs_on_inputs else 'on_output'
        levels = start_level, end_level, add_extra_convs
        super().__init__(in_channels, out_channels, num_outs, *levels, *args, init_cfg=init_cfg, **kwargs)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """As `FusionFPN`, of the first maps."""
        return super().forward(inputs[: len(self.in_channels)])


class _FPNOfFusions(FPN):
    """mmdet's FPN with `FusionFPN`'s way through its layers, for a subclass that calls it."""

    forward, merged, levels_out = FusionFPN.forward, FusionFPN.merged, FusionFPN.levels_out

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.end_level = self.backbone_end_level - 1
        norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, self.out_channels, self.out_channels, norm_cfg=norm_cfg)
            for _ in self.lateral_convs[1:]
        )


@takes_fusion
class FusionRFP(RFP, _FPNOfFusions):
    """DetectoRS' recursive pyramid, whose passes share their fusions.

    With `dict(type='nearest')` it is mmdet's `RFP`, same keys and numbers.

    Args:
        args, kwargs: those of mmdet's `RFP`, and `upsample_cfg`, the fusion.
    """
