"""HRNet's decode heads, FCN and OCR, with a chosen feature fusion where their levels are resized and concatenated.

Paper: Deep High-Resolution Representation Learning for Visual Recognition (TPAMI 2020, arXiv 1908.07919);
    Object-Contextual Representations for Semantic Segmentation (ECCV 2020, arXiv 1909.11065).
Source: mmsegmentation's FCNHead and OCRHead, subclassed; the fusions are those of FreqFusion's concatenating heads.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads import FCNHead, OCRHead
from torch import Tensor

from ..concat_fusions import build_concat_fusions, concat_fuse
from ..fusions import KeptInit, takes_fusion
from ..levels import CheckedLevels, check_maps, check_selection


class _ResizeConcat(KeptInit, CheckedLevels):
    """Mixin, to be named before the stock head: its levels join by fusions.

    Convention:
        Interpolations go straight to the finest level, as in the stock head; x2 fusions go from deep to shallow, see
        `concat_fuse`. With `dict(type='bilinear')` it is the stock head, same keys and numbers. `fusions` holds the
        fusions from deep to shallow.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        input_transform: str = 'resize_concat',
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        **kwargs,
    ) -> None:
        if input_transform != 'resize_concat':
            raise ValueError(
                f"{type(self).__name__} fuses the levels that input_transform='resize_concat' concatenates, got "
                f'{input_transform!r}: without it the head upsamples no features'
            )
        super().__init__(in_channels=in_channels, input_transform=input_transform, **kwargs)
        self.level_channels = list(in_channels)
        self.fusions = build_concat_fusions(
            upsample_cfg, in_channels, align_corners=self.align_corners, norm_cfg=self.norm_cfg
        )

    def _transform_inputs(self, inputs: Sequence[Tensor]) -> Tensor:
        name = type(self).__name__
        check_selection(name, inputs, self.in_index)
        levels = [inputs[i] for i in self.in_index]
        check_maps(name, levels, self.level_channels)
        return concat_fuse(self.fusions, levels)  # [B, sum of in_channels, H, W]


@takes_fusion
class FusionFCNHead(_ResizeConcat, FCNHead):
    """HRNet's FCN head, its levels joined by `upsample_cfg`.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        kwargs: `in_channels, in_index` (lists, fine to coarse), `channels, num_classes` and the others of
            mmsegmentation's `FCNHead`; unknown ones are refused.

    Raises:
        ValueError: levels that do not fit; an `input_transform` other than 'resize_concat'.

    Example:
        >>> import torch
        >>> head = FusionFCNHead(in_channels=[8, 16], in_index=[0, 1], channels=24, num_classes=3, num_convs=1)
        >>> head([torch.zeros(1, 8, 9, 7), torch.zeros(1, 16, 5, 4)]).shape
        torch.Size([1, 3, 9, 7])
    """


@takes_fusion
class FusionOCRHead(_ResizeConcat, OCRHead):
    """OCRNet's head behind HRNet; arguments as `FusionFCNHead`, and those of mmsegmentation's `OCRHead`."""
