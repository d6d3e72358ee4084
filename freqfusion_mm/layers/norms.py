"""What the layers agree on about normalisation."""

from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel of [N, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def group_norm(channels: int, groups: int = 32) -> nn.GroupNorm:
    """A GroupNorm of so many groups, or of the largest number below that divides the channels."""
    groups = next(number for number in range(max(1, min(groups, channels)), 0, -1) if channels % number == 0)
    return nn.GroupNorm(groups, channels)
