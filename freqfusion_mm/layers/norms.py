"""What the layers agree on about normalisation."""

from typing import Any

import torch
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel of [B, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` that takes a group of a single value in training too: its bias is what is left of it.

    On a CPU, torch's backward pass ends the process where a map in channels last needs no gradient and the weights do
    (seen with torch 2.13, up to about 32x32 pixels): such a map is made contiguous.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == 'cpu' and torch.is_grad_enabled() and not x.requires_grad:
            x = x.contiguous()
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def group_norm(channels: int, groups: int = 32) -> GroupNorm:
    """A GroupNorm of so many groups, or of the largest number below that divides the channels."""
    groups = next(number for number in range(max(1, min(groups, channels)), 0, -1) if channels % number == 0)
    return GroupNorm(groups, channels)


def build_norm(norm_cfg: dict[str, Any], channels: int) -> nn.Module:
    """The norm that mmcv's `norm_cfg` means, of the types 'BN', 'SyncBN', 'GN' and 'LN'.

    Args:
        norm_cfg: `dict(type=NAME, requires_grad=True, **options)`, options as torch names them. `num_groups` of 'GN' is
            32, or the largest number below that divides.
        channels: of the map [B, C, H, W].

    Raises:
        ValueError: another type.
        TypeError: no dict with a type, or options that torch's norm does not know.

    Example:
        >>> build_norm(dict(type='GN', num_groups=4), 16).num_groups
        4
    """
    if not isinstance(norm_cfg, dict) or 'type' not in norm_cfg:
        raise TypeError(f"norm_cfg must be a dict with a 'type', e.g. dict(type='BN'), got {norm_cfg!r}")
    options = dict(norm_cfg)
    kind, trains = options.pop('type'), options.pop('requires_grad', True)
    if kind in ('BN', 'BN2d'):
        norm = nn.BatchNorm2d(channels, **options)
    elif kind in ('SyncBN', 'MMSyncBN'):
        norm = nn.SyncBatchNorm(channels, **options)
    elif kind == 'LN':
        norm = ChannelNorm(channels, **options)
    elif kind == 'GN':
        norm = GroupNorm(options.pop('num_groups', group_norm(channels).num_groups), channels, **options)
    else:
        raise ValueError(f"the type of norm_cfg must be 'BN', 'SyncBN', 'GN' or 'LN', got {kind!r}")
    return norm.requires_grad_(trains)
