"""A fusion as YOLO-style models write their layers: a list of maps in, one map out."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .registry import build_fusion


class Fuse(nn.Module):
    """Upsamples the coarse one of two maps and joins it to the fine one, in place of `Upsample` and `Concat` or `Add`.

    Convention:
        'cat' concatenates `hr_feat` and `lr_up` in this order, or `lr_up` first with `lr_first`, as YOLO and
        segmentation_models.pytorch do: with an interpolation the stock model's weights fit. 'add' first brings
        `lr_feat` to the channels of `hr_feat` by a 1x1 convolution, where they differ.

    Args:
        upsample_cfg: what joins them; see `read_upsample_cfg`.
        lr_channels, hr_channels: channels of the two maps.
        mode: 'cat' or 'add'.
        lr_first: order of the concatenated channels.

    Attributes:
        out_channels: `lr_channels + hr_channels` with 'cat', `hr_channels` with 'add'.

    Example:
        >>> fuse = Fuse('FreqFusion', lr_channels=64, hr_channels=32, mode='cat')
        >>> fuse([torch.rand(1, 32, 14, 14), torch.rand(1, 64, 7, 7)]).shape
        torch.Size([1, 96, 14, 14])
    """

    def __init__(
        self,
        upsample_cfg: str | type | Mapping[str, Any] = 'FreqFusion',
        *,
        lr_channels: int,
        hr_channels: int,
        mode: str = 'cat',
        lr_first: bool = False,
    ) -> None:
        super().__init__()
        if mode not in ('cat', 'add'):
            raise ValueError(f"mode must be 'cat' or 'add', got {mode!r}")
        self.mode = mode
        self.lr_first = lr_first
        self.channels = (hr_channels, lr_channels)
        self.project = nn.Identity()
        self.out_channels = lr_channels + hr_channels
        if mode == 'add':
            self.out_channels = hr_channels
            if lr_channels != hr_channels:
                self.project = nn.Conv2d(lr_channels, hr_channels, 1)
                lr_channels = hr_channels
        self.fusion = build_fusion(upsample_cfg, lr_channels, hr_channels)

    def extra_repr(self) -> str:
        return f'mode={self.mode!r}, lr_first={self.lr_first}, out_channels={self.out_channels}'

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Fuse.

        Args:
            feats: `[hr_feat, lr_feat]`: [B, hr_channels, H, W] and [B, lr_channels, h, w].

        Returns:
            [B, out_channels, H, W].

        Raises:
            TypeError: anything but two maps.
            ValueError: maps of other channels, or the coarse one first.
        """
        if isinstance(feats, Tensor) or len(feats) != 2:
            came = 'one tensor' if isinstance(feats, Tensor) else f'{len(feats)} maps'
            raise TypeError(f'Fuse wants the list [hr_feat, lr_feat], got {came}')
        hr_feat, lr_feat = feats
        channels = (hr_feat.shape[1], lr_feat.shape[1])
        if channels != self.channels or any(f < c for f, c in zip(hr_feat.shape[-2:], lr_feat.shape[-2:])):
            raise ValueError(
                f'Fuse wants [hr_feat, lr_feat], the fine map first, of {self.channels} channels, got shapes '
                f'{tuple(hr_feat.shape)} and {tuple(lr_feat.shape)}'
            )
        lr_up, hr_feat = self.fusion(self.project(lr_feat), hr_feat)
        if self.mode == 'add':
            return hr_feat + lr_up
        return torch.cat([lr_up, hr_feat] if self.lr_first else [hr_feat, lr_up], dim=1)
