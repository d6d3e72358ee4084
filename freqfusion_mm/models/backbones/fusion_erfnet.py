"""ERFNet with a chosen upsampling in its decoder.

Paper: ERFNet: Efficient Residual Factorized ConvNet for Real-Time Semantic Segmentation (T-ITS 2018).
Source: mmsegmentation's ERFNet, subclassed. The published decoder has no connection to the encoder; that the encoder's
    maps guide a guided layer is ours.
"""

from typing import Any

from mmseg.models.backbones import ERFNet
from mmseg.models.backbones.erfnet import DownsamplerBlock, UpsamplerBlock
from torch import Tensor, nn

from ...layers import build_upsampler
from ..fusions import KeptInit, arguments, keeps_deconv, takes_fusion


@takes_fusion
class FusionERFNet(KeptInit, ERFNet):
    """ERFNet with a chosen upsampling in place of its transposed convolutions.

    Convention:
        Each is guided by the encoder's last map at the size to reach, and a 1x1 convolution brings it to the channels
        that the transposed convolution had; norm and activation stay. Sizes are free. `dict(type='deconv')` leaves the
        stock layers in their place: it is `ERFNet`, same keys and numbers.

    Args:
        upsample_cfg: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`.
        args, kwargs: those of mmsegmentation's `ERFNet`.

    Example:
        >>> import torch
        >>> FusionERFNet()(torch.rand(2, 3, 32, 48))[0].shape
        torch.Size([2, 16, 16, 24])
    """

    def __init__(self, *args, upsample_cfg: str | type | dict[str, Any] = 'FreqFusion', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fusions = nn.ModuleList()
        if keeps_deconv(type(self).__name__, upsample_cfg):
            return
        norm_cfg = arguments(super().__init__, *args, **kwargs)['norm_cfg']
        blocks = [block for block in self.decoder if isinstance(block, UpsamplerBlock)]
        for block, guide in zip(blocks, self.enc_downsample_channels[-2::-1]):
            deconv, block.conv = block.conv, nn.Identity()
            channels = deconv.in_channels, guide, deconv.out_channels
            self.fusions.append(build_upsampler(upsample_cfg, *channels, norm_cfg=norm_cfg))

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, in_channels, H, W] to one map at half the size."""
        if not self.fusions:
            return super().forward(x)
        guides = []
        for block in self.encoder:
            if isinstance(block, DownsamplerBlock):
                guides.append(x)
            x = block(x)
        steps = zip(self.fusions, guides[:0:-1])
        for block in self.decoder:
            if isinstance(block, UpsamplerBlock):
                upsample, guide = next(steps)
                x = upsample(x, guide)
            x = block(x)
        return [x]
