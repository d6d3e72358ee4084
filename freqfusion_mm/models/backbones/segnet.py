"""SegNet: VGG's convolutions, and their mirror image behind unpoolings.

Paper: SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation, TPAMI 2017, arXiv 1511.00561;
    with LiftPool, ICLR 2021, arXiv 2104.00996, as one of its poolings.
Source: written anew.
"""

from typing import Any

from torch import Tensor, nn

from freqfusion_mm.layers import build_unpool

from .pooled_vgg import PooledVGG, conv_norm_relu


class SegNet(PooledVGG):
    """Encoder and decoder in one backbone; one map comes out, at the image's size, for a head without convolutions.

    Convention:
        Each stage of the decoder unpools with what the pooling of its level remembered, then convolves as often as the
        encoder's stage; the last convolution makes the width of the next finer level. So an unpooling and its pooling
        have the same channels, and the filters of 'lift' can be tied. Any image size works.

    Args:
        depth, pool_cfg, base_channels, in_channels, norm_eval, init_cfg: as in `PooledVGG`; torchvision's weights load
            into the encoder.
        unpool_cfg: `dict(type='max_unpool')`, which goes with the pooling 'max'; `dict(type='lift', tied=True)`, which
            goes with 'lift'; `dict(type='interpolate')`, which goes with all. See `layers.build_unpool`. Tied filters
            are found twice in the network: an optimizer's `paramwise_cfg` then needs `bypass_duplicate=True`.

    Raises:
        ValueError: as `PooledVGG`, and from `build_unpool`. A pair that does not fit is refused at the first image.

    Example:
        >>> import torch
        >>> net = SegNet(13, dict(type='lift'), dict(type='lift', tied=True), base_channels=8)
        >>> net(torch.rand(1, 3, 45, 64))[0].shape
        torch.Size([1, 8, 45, 64])
    """

    def __init__(
        self,
        depth: int = 16,
        pool_cfg: dict[str, Any] = dict(type='max'),
        unpool_cfg: dict[str, Any] = dict(type='max_unpool'),
        base_channels: int = 64,
        in_channels: int = 3,
        norm_eval: bool = False,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(depth, pool_cfg, base_channels, (4,), False, in_channels, norm_eval, init_cfg)
        widths = self.memory_channels
        self.unpools = nn.ModuleList(
            build_unpool(unpool_cfg, width, width, pool) for width, pool in zip(widths[::-1], self.pools[::-1])
        )
        self.decoder = nn.ModuleList()
        for convs, width, finer in zip(self.depths[::-1], widths[::-1], [*widths[-2::-1], widths[0]]):
            stage = [layer for _ in range(convs - 1) for layer in conv_norm_relu(width, width)]
            self.decoder.append(nn.Sequential(*stage, *conv_norm_relu(width, finer)))
        self.out_channels = [widths[0]]

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """[B, in_channels, H, W] -> one map [B, base_channels, H, W], in a tuple."""
        maps, memory = self.encode(image, remember=True)
        feat = maps[-1]
        for unpool, stage, remembered in zip(self.unpools, self.decoder, reversed(memory)):
            feat = stage(unpool(feat, remembered))
        return (feat,)
