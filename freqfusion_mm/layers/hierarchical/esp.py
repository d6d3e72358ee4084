"""ESP: reduce, convolve with five dilations, fuse hierarchically, concatenate.

Paper: ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation, ECCV 2018, arXiv 1803.06815.
Source: sacmehta/ESPNet (afe71c3, MIT), written anew. Ours joins the block and its down-sampler in one class.
"""

from torch import Tensor, nn

from ..option_checks import check_positive
from ..reference import ReferenceNames
from .conv_norm_act import NormAct
from .hierarchical_fusion import HierarchicalFusion


class ESP(ReferenceNames):
    """Efficient spatial pyramid.

    Convention:
        Branch k (from 0) has dilation `2^k`. Of N output channels each branch yields `N // num_branches`; the rest of
        the division goes to the first. Every convolution is zero-padded and centred; with stride 2 the first one (then
        3x3) halves the map, rounding up.

    Args:
        in_channels, out_channels: of the block.
        stride: 1, or 2 for the down-sampler.
        residual: add the input before normalisation; None: where stride and channels allow it.
        num_branches: dilated convolutions.
        chain: of the hierarchical fusion. 'dilated' is the released code, 'all' the paper's figure (then `num_branches`
            must divide `out_channels`), 'none' switches the fusion off.
        eps: of the BatchNorm.

    Raises:
        ValueError: options that do not fit together.

    Example:
        >>> import torch
        >>> ESP(19, 64, stride=2)(torch.rand(1, 19, 33, 20)).shape
        torch.Size([1, 64, 17, 10])
    """

    reference_keys = {
        'c1.conv': 'reduce',
        **{f'd{2**k}.conv': f'branches.{k}' for k in range(5)},
        'bn.bn': 'norm_act.norm',
        'bn.act': 'norm_act.act',
        'bn': 'norm_act.norm',
        'act': 'norm_act.act',
    }

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        residual: bool | None = None,
        num_branches: int = 5,
        chain: str = 'dilated',
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        check_positive(num_branches=num_branches)
        width = out_channels // num_branches
        if stride not in (1, 2):
            raise ValueError(f'stride must be 1 or 2, got {stride}')
        if width < 1:
            raise ValueError(f'out_channels must be at least num_branches={num_branches}, got {out_channels}')
        if chain == 'all' and out_channels % num_branches:
            raise ValueError(
                f"chain='all' adds branches of one width: out_channels={out_channels} must be a multiple "
                f"of num_branches={num_branches}; change it, or take chain='dilated'"
            )
        possible = stride == 1 and in_channels == out_channels
        if residual and not possible:
            raise ValueError(
                f'residual needs stride 1 and equal channels, got stride={stride}, {in_channels} -> {out_channels}'
            )
        self.residual = possible if residual is None else residual
        self.reduce = (
            nn.Conv2d(in_channels, width, 1, bias=False)
            if stride == 1
            else nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        )
        first = out_channels - (num_branches - 1) * width
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width if k else first, 3, padding=2**k, dilation=2**k, bias=False)
            for k in range(num_branches)
        )
        self.fusion = HierarchicalFusion(chain)
        self.norm_act = NormAct(out_channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] -> [B, out_channels, ceil(H / stride), ceil(W / stride)]."""
        reduced = self.reduce(x)
        fused = self.fusion([branch(reduced) for branch in self.branches])
        return self.norm_act(fused + x if self.residual else fused)
