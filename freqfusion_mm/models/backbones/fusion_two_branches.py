"""The real-time networks of a fine and a coarse branch, with chosen feature fusions where the branches meet.

Paper: BiSeNetV2 (IJCV 2021, arXiv 2004.02147); DDRNet (arXiv 2101.06085); PIDNet (CVPR 2023, arXiv 2206.02066);
    Fast-SCNN (BMVC 2019, arXiv 1902.04502).
Source: mmsegmentation's backbones, subclassed; the fusions take the place of their interpolation, which is bilinear.
"""

from typing import Any, ClassVar

import torch
from mmseg.models.backbones import BiSeNetV2, DDRNet, FastSCNN, PIDNet
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, takes_fusion


class _TwoBranches(KeptInit):
    """Mixin, to be named before the stock backbone, of which a subclass lists the fusions.

    Convention:
        A fusion is guided by the map of the fine branch that it joins, and what it returns for that map replaces it.
        Sizes are free. With `dict(type='bilinear')` it is the stock backbone, same keys and numbers.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of the stock backbone.

    Attributes:
        unaligned: places of the fusions whose stock interpolation has `align_corners=False` whatever the backbone's is.
    """

    unaligned: ClassVar[tuple[int, ...]] = ()

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        given = arguments(super().__init__, *args, **kwargs)
        aligned, norm_cfg = given.get('align_corners'), given.get('norm_cfg')
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, lr, hr, align_corners=aligned and place not in self.unaligned, norm_cfg=norm_cfg)
            for place, (lr, hr) in enumerate(self._pairs())
        )

    def _pairs(self) -> list[tuple[int, int]]:
        """Channels of the coarse and the fine map of each fusion."""
        raise NotImplementedError


@takes_fusion
class FusionBiSeNetV2(_TwoBranches, BiSeNetV2):
    """BiSeNetV2 whose aggregation upsamples by fusions; see `_TwoBranches`."""

    def _pairs(self) -> list[tuple[int, int]]:
        return [(self.bga.out_channels, self.bga.out_channels)] * 2

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, in_channels, H, W] to the maps `out_indices` of: aggregated, and those of the semantic branch."""
        bga, detail, semantic = self.bga, self.detail(x), self.semantic(x)
        gate, fine = self.fusions[0](bga.semantic_conv(semantic[-1]), bga.detail_dwconv(detail))
        fine = fine * torch.sigmoid(gate)
        coarse = bga.detail_down(detail) * torch.sigmoid(bga.semantic_dwconv(semantic[-1]))
        lr_up, fine = self.fusions[1](coarse, fine)
        outs = bga.conv(fine + lr_up), *semantic[:-1]
        return tuple(outs[i] for i in self.out_indices)


@takes_fusion
class FusionFastSCNN(_TwoBranches, FastSCNN):
    """Fast-SCNN whose branches meet in a fusion; see `_TwoBranches`."""

    def _pairs(self) -> list[tuple[int, int]]:
        join = self.feature_fusion
        return [(join.dwconv.in_channels, join.conv_higher_res.in_channels)]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, in_channels, H, W] to the maps `out_indices` of: fine, coarse, joined."""
        fine = self.learning_to_downsample(x)
        coarse = self.global_feature_extractor(fine)
        lr_up, guide = self.fusions[0](coarse, fine)
        outs = fine, coarse, self.feature_fusion(guide, lr_up)  # the stock step resizes what already has the size
        return tuple(outs[i] for i in self.out_indices)


@takes_fusion
class FusionDDRNet(_TwoBranches, DDRNet):
    """DDRNet whose coarse branch joins the fine one by fusions; see `_TwoBranches`."""

    def _pairs(self) -> list[tuple[int, int]]:
        width = self.compression_1.out_channels
        return [(width, width), (width, width), (2 * width, 2 * width)]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """[B, in_channels, H, W] to the map at 1/8; in training, before it that of the auxiliary head."""
        x = self.stem(x)
        coarse, fine, aux = x, x, None
        steps = zip(self.fusions, (self.compression_1, self.compression_2), (self.down_1, self.down_2))
        for i, (fusion, compress, down) in enumerate(steps):
            rectify = self.relu if i else nn.Identity()
            coarse = self.context_branch_layers[i](rectify(coarse))
            fine = self.spatial_branch_layers[i](rectify(fine))
            compressed = compress(self.relu(coarse))
            coarse = coarse + down(self.relu(fine))
            lr_up, fine = fusion(compressed, fine)
            fine = fine + lr_up
            aux = fine if aux is None else aux
        fine = self.spatial_branch_layers[2](self.relu(fine))
        coarse = self.spp(self.context_branch_layers[2](self.relu(coarse)))
        lr_up, fine = self.fusions[2](coarse, fine)
        return (aux, fine + lr_up) if self.training else fine + lr_up


@takes_fusion
class FusionPIDNet(_TwoBranches, PIDNet):
    """PIDNet whose integral branch joins the other two by fusions, in its pixel attention too; see `_TwoBranches`."""

    unaligned = (0, 1, 3, 4)  # of the two pixel attentions

    def _pairs(self) -> list[tuple[int, int]]:
        pairs = []
        for attend, diff in ((self.pag_1, self.diff_1), (self.pag_2, self.diff_2)):
            key, value, boundary = attend.f_i.out_channels, attend.f_i.in_channels, diff.out_channels
            pairs += [(key, key), (value, value), (boundary, boundary)]
        width = self.spp.shortcut.out_channels
        return [*pairs, (width, width)]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """[B, in_channels, H, W] to the map at 1/8; in training, between those of the two auxiliary heads."""
        x = self.stem(x)
        integral, detail, boundary = x, x, x
        aux = []
        stages = (self.compression_1, self.pag_1, self.diff_1), (self.compression_2, self.pag_2, self.diff_2)
        for i, (compress, attend, diff) in enumerate(stages):
            rectify = self.relu if i else nn.Identity()
            integral = self.relu(self.i_branch_layers[i](integral))
            detail = self.p_branch_layers[i](rectify(detail))
            boundary = self.d_branch_layers[i](rectify(boundary))
            for_key, for_value, for_boundary = self.fusions[3 * i : 3 * i + 3]
            detail = _attend(attend, for_key, for_value, detail, compress(integral))
            lr_up, boundary = for_boundary(diff(integral), boundary)
            boundary = boundary + lr_up
            aux.append((detail, boundary)[i])
        integral = self.spp(self.i_branch_layers[2](integral))
        detail = self.p_branch_layers[2](self.relu(detail))
        boundary = self.d_branch_layers[2](self.relu(boundary))
        lr_up, detail = self.fusions[6](integral, detail)
        out = self.dfm(detail, lr_up, boundary)
        return (aux[0], out, aux[1]) if self.training else out


def _attend(attend: nn.Module, for_key: nn.Module, for_value: nn.Module, fine: Tensor, coarse: Tensor) -> Tensor:
    """Mmsegmentation's PagFM with fusions: where query and key agree, the coarse branch's value."""
    if attend.after_relu:
        fine, coarse = attend.relu(fine), attend.relu(coarse)
    key, query = for_key(attend.f_i(coarse), attend.f_p(fine))
    if attend.with_channel:
        gate = torch.sigmoid(attend.up(query * key))
    else:
        gate = torch.sigmoid(torch.sum(query * key, dim=1).unsqueeze(1))
    value, fine = for_value(coarse, fine)
    return gate * value + (1 - gate) * fine
