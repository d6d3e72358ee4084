"""FCN head on one coarse map: one direct upsampling of it, guided by the image, before the classifier.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (Segmenter).
Source: zmhhmz/ReSFU (62e9d9c, no licence), head `FCNHeadDirectGuideUpx4`, written anew on mmsegmentation's FCNHead.
    Ours takes any fusion and any stride of the guide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmseg.models.decode_heads import FCNHead
from torch import Tensor, nn

from ...layers import ShallowImageGuide, build_fusion
from ..fusions import KeptInit, takes_fusion


@takes_fusion
class ImageGuidedFCNHead(KeptInit, FCNHead):
    """FCN head whose features are upsampled to `1 / (product of guide_strides)` of the image and then classified.

    Convention:
        The backbone's last output is the image (`VisionTransformerWithImage`, `ESPNetV2WithImage`). The guide is
        `ShallowImageGuide` of it; an upsampler that is not guided goes to the same size without one. The ratio is what
        the strides leave: 16 to 4 is one step of x4 with ReSFU and every other direct upsampler, and two steps of x2
        with the others, which get the guide averaged down in between.

    Args:
        in_index: the map to upsample; by default the last one before the image.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        guide_channels, guide_mid_channels, guide_strides: of the two convolutions on the image. Strides of 1 go to the
            size of the image itself: x14 or x16 behind a plain transformer.
        feature_stride: of a backbone that pads the image at its right and bottom to a multiple of that, as transformers
            do to whole patches: the features lie over the padded image, which guides them, and the result is cut to the
            image. None: they lie over the image, whatever its size.
        raw_guide: the guide is the image itself, without convolutions, every n-th pixel of it where the strides make n.
        kwargs: `in_channels, channels, num_classes, num_convs` and the others of mmsegmentation's FCNHead; unknown ones
            are refused. The released Segmenter has `num_convs=0, concat_input=False`.

    Raises:
        ValueError: the last map is no image, not larger than the one to upsample, or of another size than
            `feature_stride` says.

    Example:
        >>> import torch
        >>> head = ImageGuidedFCNHead(
        ...     in_channels=32, channels=32, num_convs=0, concat_input=False, num_classes=3)
        >>> head([torch.zeros(1, 32, 4, 3), torch.zeros(1, 3, 64, 48)]).shape
        torch.Size([1, 3, 16, 12])
    """

    def __init__(
        self,
        *,
        in_index: int = -2,
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        guide_channels: int = 32,
        guide_mid_channels: int = 64,
        guide_strides: tuple[int, int] = (2, 2),
        feature_stride: int | None = None,
        raw_guide: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(in_index=in_index, **kwargs)
        self.fusion = build_fusion(
            upsample_cfg,
            self.channels,
            3 if raw_guide else guide_channels,
            keep_hr=False,
            align_corners=self.align_corners,
            norm_cfg=self.norm_cfg,
        )
        self.feature_stride = feature_stride
        self.guide_stride = guide_strides[0] * guide_strides[1]
        self.image_guide = None
        if self.fusion.guided and not raw_guide:
            self.image_guide = ShallowImageGuide(3, guide_mid_channels, guide_channels, tuple(guide_strides))

    def keep_init(self) -> list[nn.Module]:
        return [self.fusion]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        image = inputs[-1]
        if image.dim() != 4 or image.shape[1] != 3:
            raise ValueError(
                f'{type(self).__name__}: the last map of the backbone must be the image [B, 3, H, W], got shape '
                f'{tuple(image.shape)}; use a backbone that returns it, for instance VisionTransformerWithImage'
            )
        feat = self._forward_feature(inputs)  # [B, channels, h, w]
        height, width = (math.ceil(size / self.guide_stride) for size in image.shape[2:])
        if self.feature_stride:
            image = self._padded(image, feat)
        if self.image_guide is None:
            guide = image[..., :: self.guide_stride, :: self.guide_stride]  # of which many read the size alone
        else:
            guide = self.image_guide(image)
        feat, _ = self.fusion(feat, guide)
        return self.cls_seg(feat[..., :height, :width])  # [B, num_classes, H / stride, W / stride]

    def _padded(self, image: Tensor, feat: Tensor) -> Tensor:
        """The image that the features lie over."""
        down, right = (cells * self.feature_stride - size for cells, size in zip(feat.shape[2:], image.shape[2:]))
        if not (0 <= down < self.feature_stride and 0 <= right < self.feature_stride):
            raise ValueError(
                f'{type(self).__name__}: feature_stride={self.feature_stride} wants one cell for each '
                f'{self.feature_stride} pixels, rounded up; got features of {tuple(feat.shape[2:])} for an image of '
                f'{tuple(image.shape[2:])}'
            )
        return F.pad(image, (0, right, 0, down))
