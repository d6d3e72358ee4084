"""Monocular depth from a pyramid, with a chosen feature fusion.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (depth
    estimation on NYU; the authors released neither head nor config for it).
Source: the head is SegFormer's (NeurIPS 2021); the sigmoid times the largest depth and the loss are those of
    mmsegmentation's VPDDepthHead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.utils import resize
from torch import Tensor

from .segformer_head import FusionSegformerHead


class DepthLosses:
    """Loss and resizing of a head of depth, for mmsegmentation's decode heads."""

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Losses of the depth `seg_logits` against `gt_depth_map` of the samples, at the latter's size."""
        target = torch.stack([sample.gt_depth_map.data for sample in batch_data_samples])
        depth = resize(seg_logits, target.shape[2:], mode='bilinear', align_corners=self.align_corners)
        losses = {}
        for loss in self.loss_decode if isinstance(self.loss_decode, torch.nn.ModuleList) else [self.loss_decode]:
            losses[loss.loss_name] = losses.get(loss.loss_name, 0) + loss(depth, target)
        return losses


class FusionDepthHead(DepthLosses, FusionSegformerHead):
    """SegFormer head that predicts `max_depth * sigmoid(.)`, for mmsegmentation's DepthEstimator.

    Args:
        max_depth: largest depth, in the unit of the annotation (metres in NYU).
        loss_decode: config, or list of configs, of losses of (prediction, target), such as `SiLogLoss`.
        kwargs: those of `FusionSegformerHead` but `num_classes`, which is 1.

    Raises:
        ValueError: levels that do not fit; `max_depth` that is not positive.

    Example:
        >>> head = FusionDepthHead(in_channels=[8, 16], in_index=[0, 1], channels=8,
        ...                        upsample_cfg=dict(type='bilinear'))
        >>> depth = head([torch.zeros(1, 8, 9, 7), torch.zeros(1, 16, 5, 4)])
        >>> depth.shape, bool((0 < depth).all() and (depth < 10).all())
        (torch.Size([1, 1, 9, 7]), True)
    """

    def __init__(
        self,
        *,
        max_depth: float = 10.0,
        loss_decode: dict[str, Any] | Sequence[dict[str, Any]] = dict(type='SiLogLoss'),
        **kwargs,
    ) -> None:
        if max_depth <= 0:
            raise ValueError(f'FusionDepthHead: max_depth is positive, got {max_depth}')
        super().__init__(num_classes=1, threshold=0.5, loss_decode=loss_decode, **kwargs)
        self.max_depth = max_depth

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return self.max_depth * super().forward(inputs).sigmoid()  # [B, 1, H, W]
