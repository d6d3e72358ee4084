"""The searched pyramids NAS-FPN and NAS-FCOS, their cells' steps up by a chosen fusion.

Paper: NAS-FPN (CVPR 2019, arXiv 1904.07392); NAS-FCOS (CVPR 2020, arXiv 1906.04423).
Source: mmdet's NASFPN and NASFCOS_FPN, subclassed; the fusions take the place of the interpolation in mmcv's merging
    cells, which is `nearest`.
"""

from collections.abc import Sequence
from typing import Any

from mmcv.ops.merge_cells import BaseMergeCell
from mmdet.models.necks import NASFCOS_FPN, NASFPN
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...layers import Fusion, build_fusion
from ..fusions import KeptInit, arguments, takes_fusion
from ..levels import check_maps


class _FusionCells(KeptInit):
    """Mixin, to be named before the stock neck: the cells that go up have a fusion each.

    Convention:
        The fusion is guided by the finer of the cell's two maps, as it is at the size to reach, and what it returns
        for that map replaces it in the cell. The cells' steps down stay. Sizes are free.
        With `dict(type='nearest')` it is the stock neck, same keys and numbers.

    Args:
        in_channels: of the levels, fine to coarse.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of the stock neck, from `out_channels` on.

    Raises:
        ValueError: maps of another number, shape, channels or batch.
    """

    def __init__(
        self, in_channels: Sequence[int], *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs
    ) -> None:
        super().__init__(list(in_channels), *args, **kwargs)
        width, norm_cfg = self.out_channels, arguments(super().__init__, list(in_channels), *args, **kwargs)['norm_cfg']
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, width, width, norm_cfg=norm_cfg) for _ in range(self._steps_up())
        )

    def _steps_up(self) -> int:
        """How many cells go up."""
        raise NotImplementedError

    def _used(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        check_maps(type(self).__name__, inputs, self.in_channels)
        return inputs[self.start_level : self.backbone_end_level]


@takes_fusion
class FusionNASFPN(_FusionCells, NASFPN):
    """NAS-FPN whose cells go up by fusions, three in a stage; see `_FusionCells`."""

    def _steps_up(self) -> int:
        return 3 * self.stack_times

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps [B, in_channels[i], H_i, W_i], fine to coarse, to the five from P3 to P7."""
        feats = [conv(feat) for conv, feat in zip(self.lateral_convs, self._used(inputs))]
        for downsample in self.extra_downsamples:
            feats.append(downsample(feats[-1]))
        p3, p4, p5, p6, p7 = feats
        for i, cells in enumerate(self.fpn_stages):
            to_p4, to_p3, to_p6 = self.fusions[3 * i : 3 * i + 3]
            up, fine = to_p4(p6, p4)
            summed = cells['gp_64_4'](up, fine, out_size=_size(p4))
            middle = cells['sum_44_4'](summed, p4, out_size=_size(p4))
            up, fine = to_p3(middle, p3)
            p3 = cells['sum_43_3'](up, fine, out_size=_size(p3))
            p4 = cells['sum_34_4'](p3, middle, out_size=_size(p4))
            pooled = cells['gp_43_5'](p4, p3, out_size=_size(p5))
            p5 = cells['sum_55_5'](p5, pooled, out_size=_size(p5))
            pooled = cells['gp_54_7'](p5, middle, out_size=_size(p7))
            p7 = cells['sum_77_7'](p7, pooled, out_size=_size(p7))
            up, fine = to_p6(p7, cells['gp_75_6']._resize(p5, _size(p6)))
            p6 = cells['gp_75_6'](up, fine, out_size=_size(p6))
        return p3, p4, p5, p6, p7


@takes_fusion
class FusionNASFCOSFPN(_FusionCells, NASFCOS_FPN):
    """NAS-FCOS' pyramid whose cells go up by fusions, three in all; see `_FusionCells`.

    Its last step, which brings one map to every output's size by `bilinear`, up or down, stays.
    """

    def _steps_up(self) -> int:
        return 3

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps [B, in_channels[i], H_i, W_i], fine to coarse, to `num_outs` from P3 on."""
        p3, p4, p5 = (conv(feat) for conv, feat in zip(self.adapt_convs, self._used(inputs)))
        cells, (to_first, to_second, to_third) = self.fpn, self.fusions
        first, second = cells['c22_1'](p5, p5), cells['c22_2'](p5, p5)
        context = cells['c32'](first, p5)
        fine = _cell(cells['c02'], to_first, p3, p5)
        coarse = cells['c42'](second, p5)
        outs = [_cell(cells['c61'], to_third, fine, p4), _cell(cells['c36'], to_second, first, fine), coarse]
        for i, out in enumerate(outs):
            out = out + interpolate(context, _size(out), mode='bilinear', align_corners=False)
            outs[i] = interpolate(out, _size(inputs[i + 1]), mode='bilinear', align_corners=False)
        for downsample in self.extra_downsamples:
            outs.append(downsample(outs[-1]))
        return tuple(outs)


def _cell(cell: BaseMergeCell, fusion: Fusion, first: Tensor, second: Tensor) -> Tensor:
    """A cell that goes up, with a fusion: its two maps in the order that it takes."""
    first, second = cell.input1_conv(first), cell.input2_conv(second)
    if first.shape[-1] <= second.shape[-1]:
        first, second = fusion(first, second)
    else:
        second, first = fusion(second, first)
    return cell.out_conv(cell._binary_op(first, second))


def _size(feat: Tensor) -> tuple[int, int]:
    return tuple(feat.shape[-2:])
