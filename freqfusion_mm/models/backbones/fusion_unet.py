"""U-Net with a chosen feature fusion in its decoder.

Paper: U-Net: Convolutional Networks for Biomedical Image Segmentation (MICCAI 2015, arXiv 1505.04597).
Source: mmsegmentation's UNet, subclassed; the fusion takes the place of the interpolation in its `InterpConv`.
"""

from typing import Any

import torch
from mmseg.models.backbones import UNet
from mmseg.models.backbones.unet import InterpConv
from torch import Tensor, nn

from ...layers import build_fusion
from ..fusions import KeptInit, arguments, takes_fusion


@takes_fusion
class FusionUNet(KeptInit, UNet):
    """UNet whose decoder upsamples by fusions, each guided by the encoder's map that it joins.

    Convention:
        As in the stock decoder, the upsampled map gets a 1x1 convolution and stands after the encoder's. Sizes are
        free: a fusion answers at the size of the encoder's map. With `dict(type='bilinear')` it is `UNet` with its
        default `InterpConv`, same keys and numbers. `fusions` goes from deep to shallow.

    Args:
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmsegmentation's `UNet`.

    Example:
        >>> net = FusionUNet(base_channels=4, num_stages=2, strides=(1, 1), enc_num_convs=(1, 1), dec_num_convs=(1,),
        ...                  downsamples=(True,), enc_dilations=(1, 1), dec_dilations=(1,))
        >>> [tuple(out.shape) for out in net(torch.rand(1, 3, 15, 18))]
        [(1, 8, 7, 9), (1, 4, 15, 18)]
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, upsample_cfg=dict(type=InterpConv), **kwargs)
        norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
        self.fusions = nn.ModuleList()
        for i in reversed(range(len(self.decoder))):
            if self.strides[i + 1] == 1 and not self.downsamples[i]:
                self.fusions.append(nn.Identity())  # the maps have one size
                continue
            self.decoder[i].upsample.interp_upsample[0] = nn.Identity()
            fine = self.base_channels * 2**i
            self.fusions.append(build_fusion(upsample_cfg, 2 * fine, fine, norm_cfg=norm_cfg))

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, in_channels, H, W] to the maps of the decoder, coarse to fine."""
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        outs = [x]
        for fusion, block, skip in zip(self.fusions, reversed(self.decoder), skips[-2::-1]):
            if not isinstance(fusion, nn.Identity):
                x, skip = fusion(x, skip)
            x = block.conv_block(torch.cat([skip, block.upsample(x)], dim=1))
            outs.append(x)
        return outs
