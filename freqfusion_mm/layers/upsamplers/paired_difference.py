"""Similarity of two maps by a paired central-difference convolution.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (PCDC).
Source: zmhhmz/ReSFU (62e9d9c, no licence), class `PCDC_Block`, written anew. Ours takes a dilation per call and axis,
since no weight depends on it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from ...ops.functorch import transforming
from ...ops.library import compiling
from ..borders import repeat_border
from ..layouts import fastest_layout, right_layout
from ..norms import GroupNorm
from ..option_checks import check_groups, check_windows
from ..protocol import autocasting
from ..reference import ReferenceNames


class PairedDifferenceConv(nn.Module):
    """Convolves the differences between the neighbours in one map and the centre in another.

    Convention:
        `out[Y,X] = sum_ij W[i,j] (key[Y + d_y(i-r), X + d_x(j-r)] - query[Y,X]) + b`, the border of `key` repeated.
        Computed as `conv(key, W) - conv1x1(query, sum_ij W) + b`. `query = key` is a plain central-difference
        convolution, and two equal constant maps give b.

    Args:
        in_channels, out_channels, kernel_size, groups: as in a convolution; `kernel_size` odd.

    Example:
        >>> conv = PairedDifferenceConv(8, 16, kernel_size=3, groups=4)
        >>> conv(torch.rand(1, 8, 9, 7), torch.rand(1, 8, 9, 7), dilation=(4, 3)).shape
        torch.Size([1, 16, 9, 7])
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, groups: int = 1) -> None:
        super().__init__()
        check_windows(kernel_size=kernel_size)
        check_groups(groups, in_channels=in_channels, out_channels=out_channels)
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(1, out_channels, 1, 1))
        nn.init.kaiming_normal_(self.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, key: Tensor, query: Tensor, dilation: tuple[int, int]) -> Tensor:
        """`key` and `query` [B, in_channels, H, W]; `dilation` (d_y, d_x) in pixels of these maps."""
        key, query = fastest_layout(key), fastest_layout(query)
        reach_y, reach_x = (d * (size // 2) for d, size in zip(dilation, self.weight.shape[-2:]))
        key = repeat_border(key, (reach_x, reach_x, reach_y, reach_y))
        weight = right_layout(self.weight)
        centre = weight.sum(dim=(-2, -1), keepdim=True)
        out = F.conv2d(key, weight, self.bias.flatten(), dilation=dilation, groups=self.groups)
        at_centre = F.conv2d(query, centre, groups=self.groups)
        return out - at_centre if transforming() else out.sub_(at_centre)  # in place: the widest map of all


def normalized_conv(norm: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """`conv(norm(x))`, with `x` alone kept for the backward pass, which makes the normalised map again.

    That map is as wide as `x`: in a SegFormer-B1 with ReSFU a tenth of all that a training step holds. Compilers decide
    for themselves what they make again. Under autocast the map is kept: its cache of weights would let a backward pass
    inside the context make other tensors than the forward pass. The weights are those of the forward pass, whatever the
    modules hold later: `torch.func.functional_call` around the network exchanges them for its call alone.
    """
    if not torch.is_grad_enabled() or autocasting(x) or compiling() or transforming() or torch.jit.is_tracing():
        return conv(norm(x))
    layers = nn.Sequential(norm, conv)
    weights = dict(layers.named_parameters())
    return checkpoint(lambda x: functional_call(layers, weights, x), x, use_reentrant=False, preserve_rng_state=False)


class PairedDifferenceSimilarity(ReferenceNames):
    """k x k similarity scores of a query map to its neighbours in a key map.

    Both maps go through one GroupNorm and a `PairedDifferenceConv`; ReLU, grouped 1x1, ReLU, GroupNorm and 1x1 follow.

    Args:
        in_channels: channels of both maps.
        kernel_size: odd window width k, of the convolution and of the scores.
        mid_channels: width between the convolutions.
        groups: of the first two convolutions.
        norm_groups: of both GroupNorms.

    Example:
        >>> similarity = PairedDifferenceSimilarity(32)
        >>> similarity(torch.rand(1, 32, 9, 7), torch.rand(1, 32, 9, 7), dilation=(4, 4)).shape
        torch.Size([1, 9, 9, 7])
    """

    reference_keys = {
        'weight': 'conv.weight',
        'bias': 'conv.bias',
        'channel_compressor.1': 'mix',
        'channel_compressor.3': 'mix_norm',
        'channel_compressor.4': 'score',
    }

    def __init__(
        self, in_channels: int, kernel_size: int = 3, mid_channels: int = 128, groups: int = 4, norm_groups: int = 8
    ) -> None:
        super().__init__()
        check_groups(norm_groups, 'norm_groups', in_channels=in_channels, mid_channels=mid_channels)
        self.norm = GroupNorm(norm_groups, in_channels)
        self.conv = PairedDifferenceConv(in_channels, mid_channels, kernel_size, groups)
        self.mix = nn.Conv2d(mid_channels, mid_channels, 1, groups=groups)
        self.mix_norm = GroupNorm(norm_groups, mid_channels)
        self.score = nn.Conv2d(mid_channels, kernel_size**2, 1)

    def forward(self, key: Tensor, query: Tensor, dilation: tuple[int, int]) -> Tensor:
        """Scores [B, k*k, H, W] of `query` to the neighbours in `key`, both [B, in_channels, H, W], at `dilation`."""
        mixed = F.relu_(self.conv(self.norm(key), self.norm(query), dilation))  # [B, mid_channels, H, W]
        return normalized_conv(self.mix_norm, self.score, F.relu_(self.mix(mixed)))
