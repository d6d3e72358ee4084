"""VGG whose poolings are chosen by name.

Paper: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, arXiv 1409.1556; with the poolings
    of LiftPool, ICLR 2021, arXiv 2104.00996, and others.
Source: written anew; the weights have the names and shapes of torchvision's VGG with BatchNorm.
"""

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from freqfusion_mm.layers import build_pool, split

from ..fusions import KeptInit
from .norm_eval import NormEval

#: depth -> 3x3 convolutions in each of the five stages.
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
#: Widths of the stages, in units of the first.
WIDTHS = (1, 2, 4, 8, 8)


class PooledVGG(KeptInit, NormEval, BaseModule):
    """The convolutions of VGG-11, 13, 16 or 19 with BatchNorm, and the pooling `pool_cfg` after each of five stages.

    Convention:
        A stage's map is handed out after its pooling, at strides 2, 4, 8, 16 and 32; each pooling rounds the size up
        (torchvision's rounds down).

    Args:
        depth: 11, 13, 16 or 19.
        pool_cfg: `dict(type='max' | 'lift' | 'blur' | 'average' | 'conv' | 'wavelet' | 'carafe', **options)`,
            see `layers.build_pool`.
        base_channels: of the first stage; the others have 2, 4, 8 and 8 times as many.
        out_indices: of the stages to hand out (0 to 4); later ones are not built.
        return_memory: hand out one more element at the end, the tuple of what the poolings remember, fine to coarse.
        in_channels: of the image.
        norm_eval: keep the BatchNorm statistics fixed during training.
        init_cfg: mmengine's; `dict(type='Pretrained', checkpoint=FILE)` takes torchvision's weights of `vgg16_bn` and
            its like. Without it, convolutions start as torchvision's do; the poolings keep their own start either way.

    Attributes:
        out_channels: of the maps handed out.
        memory_channels: of what was pooled, fine to coarse.

    Raises:
        ValueError: options outside the above.

    Example:
        >>> import torch
        >>> net = PooledVGG(13, pool_cfg=dict(type='blur'), base_channels=8)
        >>> [tuple(feat.shape[1:]) for feat in net(torch.rand(1, 3, 65, 96))]
        [(64, 3, 3)]
    """

    def __init__(
        self,
        depth: int = 16,
        pool_cfg: dict[str, Any] = dict(type='max'),
        base_channels: int = 64,
        out_indices: Sequence[int] = (4,),
        return_memory: bool = False,
        in_channels: int = 3,
        norm_eval: bool = False,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if depth not in DEPTHS:
            raise ValueError(f'depth must be one of {tuple(DEPTHS)}, got {depth}')
        if not out_indices or not set(out_indices) <= set(range(5)):
            raise ValueError(f'out_indices must be some of 0 to 4, got {tuple(out_indices)}')
        self.out_indices = tuple(out_indices)
        self.return_memory = return_memory
        self.norm_eval = norm_eval
        self.depths = DEPTHS[depth][: max(out_indices) + 1]
        self.memory_channels = [base_channels * factor for factor in WIDTHS[: len(self.depths)]]
        self.out_channels = [self.memory_channels[i] for i in self.out_indices]

        layers, width = [], in_channels
        for convs, channels in zip(self.depths, self.memory_channels):
            for _ in range(convs):
                layers += conv_norm_relu(width, channels)
                width = channels
            layers.append(build_pool(pool_cfg, channels, keep_channels=True))
        self.features = nn.Sequential(*layers)

    @property
    def pools(self) -> list[nn.Module]:
        """The poolings, fine to coarse."""
        ends = [sum(3 * convs + 1 for convs in self.depths[: i + 1]) for i in range(len(self.depths))]
        return [self.features[end - 1] for end in ends]

    def keep_init(self) -> list[nn.Module]:
        return self.pools

    def encode(self, image: Tensor, remember: bool) -> tuple[list[Tensor], list]:
        """The pooled maps of all stages, and what the poolings remember (nothing, where it is not asked for)."""
        maps, memory, feat, start = [], [], image, 0
        for convs, pool in zip(self.depths, self.pools):
            feat = self.features[start : start + 3 * convs](feat)
            start += 3 * convs + 1
            if remember:
                feat, remembered = split(pool, feat)
                memory.append(remembered)
            else:
                feat = pool(feat)
            maps.append(feat)
        return maps, memory

    def forward(self, image: Tensor) -> tuple:
        """[B, in_channels, H, W] -> the maps of `out_indices`; with `return_memory` also the tuple of memories."""
        maps, memory = self.encode(image, self.return_memory)
        outs = tuple(maps[i] for i in self.out_indices)
        return (*outs, tuple(memory)) if self.return_memory else outs


def conv_norm_relu(in_channels: int, out_channels: int) -> list[nn.Module]:
    """A 3x3 convolution as torchvision's VGG has and starts it."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, mode='fan_out', nonlinearity='relu')
    nn.init.zeros_(conv.bias)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
