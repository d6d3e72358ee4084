"""The shallow branch that makes a guide of the image itself, for backbones without a fine feature map.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, arXiv 2407.02283 (Segmenter).
Source: zmhhmz/ReSFU (62e9d9c, no licence), head `FCNHeadDirectGuideUpx4`, written anew; strides and widths are free.
"""

from torch import Tensor, nn

from .borders import repeat_border
from .norms import GroupNorm


class ShallowImageGuide(nn.Sequential):
    """Two 3x3 convolutions on the image, GroupNorm of one group and ReLU between them.

    Convention:
        The border is repeated. Sizes are rounded up: stride 4 gives `ceil(H/4) x ceil(W/4)`.

    Args:
        in_channels: of the image.
        mid_channels, out_channels: of the two convolutions.
        strides: of the two convolutions; their product is the stride of the guide.

    Example:
        >>> import torch
        >>> ShallowImageGuide()(torch.rand(1, 3, 64, 49)).shape
        torch.Size([1, 32, 16, 13])
    """

    def __init__(
        self, in_channels: int = 3, mid_channels: int = 64, out_channels: int = 32, strides: tuple[int, int] = (2, 2)
    ) -> None:
        if len(strides) != 2 or min(strides) < 1:
            raise ValueError(f'strides must be two positive whole numbers, one a convolution, got {strides}')
        super().__init__(
            nn.Conv2d(in_channels, mid_channels, 3, strides[0]),
            GroupNorm(1, mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, 3, strides[1]),
        )
        self.out_channels = out_channels
        self.strides = strides

    def forward(self, image: Tensor) -> Tensor:
        """[B, in_channels, H, W] to [B, out_channels, ceil(H / stride), ceil(W / stride)]."""
        for layer in self:
            image = layer(repeat_border(image, (1, 1, 1, 1)) if isinstance(layer, nn.Conv2d) else image)
        return image
