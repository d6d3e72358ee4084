"""EESP: ESP with grouped and depth-wise convolutions, and its strided form with image reinforcement.

Paper: ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network, CVPR 2019,
    arXiv 1811.11431.
Source: sacmehta/ESPNetv2 (b78e323, MIT) and sacmehta/EdgeNets (2b232d3, MIT), written anew. Ours accepts any image size
    in the reinforcement, where the authors' halves the image until the heights are equal, if ever they are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layouts import GroupedConv2d
from ..option_checks import check_positive
from ..reference import ReferenceNames
from .conv_norm_act import ConvNormAct, NormAct
from .hierarchical_fusion import HierarchicalFusion


def eesp_dilations(num_branches: int = 4, receptive_limit: int = 7) -> list[int]:
    """Dilations 1, 2, 3, ... whose 3x3 kernels reach no further than `receptive_limit`; the others become 1.

    Example:
        >>> eesp_dilations(4, 9), eesp_dilations(4, 7), eesp_dilations(4, 5)
        ([1, 2, 3, 4], [1, 1, 2, 3], [1, 1, 1, 2])
    """
    dilations = range(1, num_branches + 1)
    return sorted(dilation if 2 * dilation + 1 <= receptive_limit else 1 for dilation in dilations)


class EESP(ReferenceNames):
    """Extremely efficient spatial pyramid.

    Convention:
        Zero-padded, centred kernels; stride 2 rounds the size up. With stride 1 and equal channels the input is added
        before the last PReLU. With stride 2 the result is neither activated nor added to: `EESPDown` does that.

    Args:
        in_channels: a multiple of `num_branches`.
        out_channels: a multiple of its square.
        stride: 1 or 2.
        num_branches: depth-wise convolutions, and groups of both 1x1 convolutions.
        receptive_limit: largest kernel extent, see `eesp_dilations`.
        chain: of the hierarchical fusion; the released code has 'all'; 'none' switches the fusion off.
        eps: of the BatchNorms.

    Raises:
        ValueError: channels that the branches do not divide.

    Example:
        >>> EESP(32, 64)(torch.rand(1, 32, 9, 5)).shape
        torch.Size([1, 64, 9, 5])
    """

    reference_keys = {
        'proj_1x1': 'reduce',
        **{f'spp_dw.{k}.conv': f'branches.{k}' for k in range(8)},
        'br_after_cat': 'norm_act',
        'conv_1x1_exp': 'expand',
        'module_act': 'act',
    }

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        num_branches: int = 4,
        receptive_limit: int = 7,
        chain: str = 'all',
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        check_positive(num_branches=num_branches)
        if in_channels % num_branches or out_channels % num_branches**2:
            raise ValueError(
                f'in_channels must be a multiple of num_branches={num_branches}, and out_channels of its '
                f'square (grouped 1x1 convolutions), got {in_channels} and {out_channels}'
            )
        if stride not in (1, 2):
            raise ValueError(f'stride must be 1 or 2, got {stride}')
        width = out_channels // num_branches
        self.residual = stride == 1 and in_channels == out_channels
        self.reduce = ConvNormAct(in_channels, width, groups=num_branches, eps=eps)
        self.branches = nn.ModuleList(
            GroupedConv2d(width, width, 3, stride, dilation, dilation, groups=width, bias=False)
            for dilation in eesp_dilations(num_branches, receptive_limit)
        )
        self.fusion = HierarchicalFusion(chain)
        self.norm_act = NormAct(out_channels, eps)
        self.expand = ConvNormAct(out_channels, out_channels, groups=num_branches, act=False, eps=eps)
        self.act = nn.PReLU(out_channels)
        if stride == 2:  # unused, as in the released code: kept frozen, so that checkpoints and counts are the same
            self.act.requires_grad_(False)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] -> [B, out_channels, ceil(H / stride), ceil(W / stride)]."""
        reduced = self.reduce(x)
        fused = self.fusion([branch(reduced) for branch in self.branches])
        out = self.expand(self.norm_act(fused))
        if self.stride == 2:
            return out
        return self.act(out + x if self.residual else out)


def shrink_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Halve an image by 3x3 average pooling as often as `size` allows; what is left is adaptive average pooling.

    Example:
        >>> shrink_image(torch.rand(1, 3, 360, 640), (45, 80)).shape
        torch.Size([1, 3, 45, 80])
        >>> shrink_image(torch.rand(1, 3, 50, 70), (11, 20)).shape
        torch.Size([1, 3, 11, 20])
    """
    while image.shape[-2] >= 2 * size[0] - 1 and image.shape[-1] >= 2 * size[1] - 1 and image.shape[-2:] != size:
        image = F.avg_pool2d(image, 3, stride=2, padding=1)
    return image if image.shape[-2:] == size else F.adaptive_avg_pool2d(image, size)


class EESPDown(ReferenceNames):
    """Strided EESP beside average pooling, reinforced by the shrunken image.

    Convention:
        The map is halved, rounding up. The image may have any size; see `shrink_image`.

    Args:
        in_channels, out_channels: of the block; `out_channels - in_channels` come from the EESP.
        num_branches, receptive_limit, chain, eps: of the EESP.
        image_channels: of the image that reinforces; 0: none.
        reinforce: False keeps the reinforcement's weights, frozen, without using them (the released last stage).

    Raises:
        ValueError: `out_channels` not above `in_channels`; an image expected or not, against what is given.

    Example:
        >>> EESPDown(32, 64)(torch.rand(1, 32, 23, 40), torch.rand(1, 3, 90, 160)).shape
        torch.Size([1, 64, 12, 20])
    """

    reference_keys = {'inp_reinf.0': 'reinforce_conv', 'inp_reinf.1': 'reinforce_project'}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_branches: int = 4,
        receptive_limit: int = 9,
        chain: str = 'all',
        eps: float = 1e-5,
        image_channels: int = 3,
        reinforce: bool = True,
    ) -> None:
        super().__init__()
        if out_channels <= in_channels:
            raise ValueError(
                f'out_channels must be above in_channels={in_channels} (pooling passes these on), got {out_channels}'
            )
        self.reinforce = reinforce and image_channels > 0
        self.eesp = EESP(in_channels, out_channels - in_channels, 2, num_branches, receptive_limit, chain, eps)
        if image_channels:
            self.reinforce_conv = ConvNormAct(image_channels, image_channels, 3, eps=eps)
            self.reinforce_project = ConvNormAct(image_channels, out_channels, act=False, eps=eps)
            if not reinforce:
                for module in (self.reinforce_conv, self.reinforce_project):
                    module.requires_grad_(False)
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor, image: Tensor | None = None) -> Tensor:
        """[B, in_channels, h, w] and [B, image_channels, H, W] -> [B, out_channels, ceil(h / 2), ceil(w / 2)]."""
        if self.reinforce != (image is not None):
            raise ValueError(
                f'this layer was built {"with" if self.reinforce else "without"} image reinforcement '
                f'and got {"no" if image is None else "an"} image'
            )
        out = torch.cat([F.avg_pool2d(x, 3, stride=2, padding=1), self.eesp(x)], dim=1)
        if self.reinforce:
            out = out + self.reinforce_project(self.reinforce_conv(shrink_image(image, tuple(out.shape[-2:]))))
        return self.act(out)
