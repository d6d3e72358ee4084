"""ResNet whose every halving is a pooling chosen by name.

Paper: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385; with the poolings of LiftPool, ICLR
    2021, arXiv 2104.00996, and others.
Source: written anew; the weights have the names and shapes of torchvision's ResNet. LiftPool's authors do not say what
    becomes of a strided convolution; the decision is ours, see `PooledResNet`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from freqfusion_mm.layers import build_pool, split

from ..fusions import KeptInit
from .norm_eval import NormEval

Norm = Callable[[int], nn.Module]


class _Block(nn.Module):
    """What the two residual blocks share: convolutions, each with its norm, and the shortcut."""

    expansion: int

    def __init__(self, in_channels: int, channels: int, stride: int, norm: Norm, convs: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        for i, conv in enumerate(convs, 1):
            self.add_module(f'conv{i}', conv)
            self.add_module(f'bn{i}', norm(conv.out_channels))
        self.num_convs = len(convs)
        self.relu = nn.ReLU(inplace=True)
        out_channels = channels * self.expansion
        self.downsample = None
        if stride > 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), norm(out_channels)
            )

    def forward(self, feat: Tensor) -> Tensor:
        shortcut = feat if self.downsample is None else self.downsample(feat)
        for i in range(1, self.num_convs + 1):
            feat = getattr(self, f'bn{i}')(getattr(self, f'conv{i}')(feat))
            if i < self.num_convs:
                feat = self.relu(feat)
        return self.relu(feat + shortcut)


class BasicBlock(_Block):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int, style: str, norm: Norm) -> None:
        super().__init__(
            in_channels,
            channels,
            stride,
            norm,
            (
                nn.Conv2d(in_channels, channels, 3, stride, dilation, dilation, bias=False),
                nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False),
            ),
        )


class Bottleneck(_Block):
    """1x1, 3x3 (where the stride is; in the first by `style='caffe'`), 1x1 to four times the channels."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int, style: str, norm: Norm) -> None:
        first, second = (1, stride) if style == 'pytorch' else (stride, 1)
        super().__init__(
            in_channels,
            channels,
            stride,
            norm,
            (
                nn.Conv2d(in_channels, channels, 1, first, bias=False),
                nn.Conv2d(channels, channels, 3, second, dilation, dilation, bias=False),
                nn.Conv2d(channels, 4 * channels, 1, bias=False),
            ),
        )


#: depth -> block, and how many of them in each stage.
DEPTHS = {18: (BasicBlock, (2, 2, 2, 2)), 34: (BasicBlock, (3, 4, 6, 3)), 50: (Bottleneck, (3, 4, 6, 3))}
PLACES = ('stem', 'max_pool', 'layer2', 'layer3', 'layer4')


class PooledResNet(KeptInit, NormEval, BaseModule):
    """ResNet-18, 34 or 50 with the pooling `pool_cfg` where the stock network halves its maps.

    It stands in the place of mmdetection's and mmpretrain's `ResNet`: those of their keywords that stand below, and
    torchvision's weights, are taken as they are; what it does not do (`dcn`, `with_cp`, `strides`, ...) is refused.
    mmsegmentation's configs have a `ResNetV1c`, whose stem and weights are others.

    Convention:
        In place of the max pooling stands the pooling itself. In place of a strided convolution, the input of its block
        (or of the stem) is pooled once and all convolutions run at stride 1: both branches see one pooled map, the
        weights stay those of the stock network, and the cost falls. `pool_cfg=None` is the stock network, odd sizes
        included. 'blur' takes its dense maximum only where it replaces the max pooling, as in its paper.

    Args:
        depth: 18, 34 or 50.
        pool_cfg: `dict(type='lift' | 'blur' | 'max' | 'average' | 'conv' | 'wavelet' | 'carafe', **options)`,
            see `layers.build_pool`; None: the stock max pooling and strided convolutions.
        pool_at: which halvings it replaces, of 'stem' (the strided convolution on the image), 'max_pool', 'layer2',
            'layer3' and 'layer4'; None: all that there are but 'stem'.
        stem: 'imagenet': 7x7 at stride 2, and the max pooling; 'cifar': 3x3 at stride 1, no max pooling.
        dilated_stages: of the last stages, how many dilate instead of halving: 1 for output stride 16, 2 for 8. As in
            torchvision and the `contract_dilation` of mmsegmentation, their first block has half the dilation.
        base_channels: of the stem and the first stage.
        num_stages: 1 to 4, as the stock network has it.
        out_indices: of the stages to hand out (0 to `num_stages - 1`); later ones are not built.
        return_memory: hand out one more element at the end, the tuple of what the poolings remember, fine to coarse:
            what the unpoolings of a decoder need. For decoders that know of it.
        in_channels: of the image.
        frozen_stages: -1: none; 0: the stem is frozen; n: also the stages up to n. Poolings stay trainable: no
            pretrained weights of theirs exist.
        norm_cfg: mmcv's, of a batch norm.
        norm_eval: keep the BatchNorm statistics fixed during training.
        style: 'pytorch': a bottleneck has its stride in the 3x3 convolution; 'caffe': in the first 1x1.
        init_cfg: mmengine's; `dict(type='Pretrained', checkpoint=FILE)` takes torchvision's weights. Without it,
            convolutions start as in the paper; the poolings keep their own start either way.

    Attributes:
        out_channels: of the maps handed out.
        memory_channels: of what was pooled, fine to coarse.

    Raises:
        ValueError: options outside the above, or a `pool_at` where nothing is halved.

    Example:
        >>> import torch
        >>> net = PooledResNet(18, pool_cfg=dict(type='lift'), base_channels=16, return_memory=True)
        >>> *maps, memory = net(torch.rand(1, 3, 65, 96))
        >>> [tuple(feat.shape[1:]) for feat in maps]
        [(16, 17, 24), (32, 9, 12), (64, 5, 6), (128, 3, 3)]
        >>> [bands.size for bands in memory], net.memory_channels
        ([(33, 48), (17, 24), (9, 12), (5, 6)], [16, 16, 32, 64])
    """

    def __init__(
        self,
        depth: int,
        pool_cfg: dict[str, Any] | None = None,
        pool_at: Sequence[str] | None = None,
        stem: str = 'imagenet',
        dilated_stages: int = 0,
        base_channels: int = 64,
        num_stages: int = 4,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        return_memory: bool = False,
        in_channels: int = 3,
        frozen_stages: int = -1,
        norm_cfg: dict[str, Any] | None = None,
        norm_eval: bool = False,
        style: str = 'pytorch',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if depth not in DEPTHS:
            raise ValueError(f'depth must be one of {tuple(DEPTHS)}, got {depth}')
        if stem not in ('imagenet', 'cifar'):
            raise ValueError(f"stem must be 'imagenet' or 'cifar', got {stem!r}")
        if dilated_stages not in (0, 1, 2):
            raise ValueError(f'dilated_stages must be 0, 1 or 2, got {dilated_stages}')
        if style not in ('pytorch', 'caffe'):
            raise ValueError(f"style must be 'pytorch' or 'caffe', got {style!r}")
        if num_stages not in (1, 2, 3, 4):
            raise ValueError(f'num_stages must be 1 to 4, got {num_stages}')
        if not out_indices or not set(out_indices) <= set(range(num_stages)):
            raise ValueError(f'out_indices must be some of 0 to {num_stages - 1}, got {tuple(out_indices)}')
        norm = _norm(norm_cfg or dict(type='BN'))
        block, depths = DEPTHS[depth]
        self.num_stages = max(out_indices) + 1
        if not -1 <= frozen_stages <= self.num_stages:
            raise ValueError(f'frozen_stages must be -1 to {self.num_stages}, got {frozen_stages}')
        self.out_indices = tuple(out_indices)
        self.return_memory = return_memory
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval

        halving = list(PLACES[:2]) if stem == 'imagenet' else []
        halving += [f'layer{i}' for i in range(2, min(self.num_stages, 4 - dilated_stages) + 1)]
        replaced = _places(halving, pool_cfg, pool_at)
        if return_memory and not replaced:
            raise ValueError('return_memory=True needs a pooling that remembers: set pool_cfg')

        stride = 2 if 'stem' in halving and 'stem' not in replaced else 1
        kernel = 7 if stem == 'imagenet' else 3
        self.conv1 = nn.Conv2d(in_channels, base_channels, kernel, stride, kernel // 2, bias=False)
        self.bn1 = norm(base_channels)
        self.relu = nn.ReLU(inplace=True)
        stock = 'max_pool' in halving and 'max_pool' not in replaced
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stock else nn.Identity()

        widths = {'stem': in_channels, 'max_pool': base_channels}
        width, dilation = base_channels, 1
        self.out_channels = []
        for i in range(self.num_stages):
            name, channels = f'layer{i + 1}', base_channels * 2**i
            widths[name] = width
            first = dilation
            if i > 3 - dilated_stages:
                dilation *= 2
            stride = 2 if name in halving and name not in replaced else 1
            blocks = [block(width, channels, stride, first, style, norm)]
            width = channels * block.expansion
            blocks += [block(width, channels, 1, dilation, style, norm) for _ in range(depths[i] - 1)]
            self.add_module(name, nn.Sequential(*blocks))
            if i in self.out_indices:
                self.out_channels.append(width)
        for module in self.modules():  # before the poolings are there, which have a start of their own
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

        self.pools = nn.ModuleDict({place: _build(pool_cfg, place, widths[place]) for place in replaced})
        self.memory_channels = [widths[place] for place in replaced]
        self._freeze()

    def keep_init(self) -> list[nn.Module]:
        return [*self.pools.values()]

    def forward(self, image: Tensor) -> tuple:
        """[B, in_channels, H, W] -> the maps of `out_indices`; with `return_memory` also the tuple of memories."""
        memory, outs = [], []
        feat = self._pool('stem', image, memory)
        feat = self.relu(self.bn1(self.conv1(feat)))
        feat = self._pool('max_pool', self.maxpool(feat), memory)
        for i in range(self.num_stages):
            name = f'layer{i + 1}'
            feat = getattr(self, name)(self._pool(name, feat, memory))
            if i in self.out_indices:
                outs.append(feat)
        return (*outs, tuple(memory)) if self.return_memory else tuple(outs)

    def _pool(self, place: str, feat: Tensor, memory: list) -> Tensor:
        if place not in self.pools:
            return feat
        if not self.return_memory:
            return self.pools[place](feat)
        feat, remembered = split(self.pools[place], feat)
        memory.append(remembered)
        return feat

    def train(self, mode: bool = True) -> 'PooledResNet':
        super().train(mode)
        if mode:
            self._freeze()
        return self

    def _freeze(self) -> None:
        frozen = [] if self.frozen_stages < 0 else [self.conv1, self.bn1]
        for module in frozen + [getattr(self, f'layer{i}') for i in range(1, self.frozen_stages + 1)]:
            module.eval().requires_grad_(False)


def _norm(norm_cfg: dict[str, Any]) -> Norm:
    def make(channels: int) -> nn.Module:
        return build_norm_layer(norm_cfg, channels)[1]

    return make


def _places(halving: list[str], pool_cfg: dict | None, pool_at: Sequence[str] | None) -> list[str]:
    """What is replaced, fine to coarse."""
    if pool_cfg is None:
        if pool_at is not None:
            raise ValueError(f'pool_at={tuple(pool_at)} needs a pool_cfg')
        return []
    if pool_at is None:
        return [place for place in halving if place != 'stem']
    if isinstance(pool_at, str) or not pool_at or not set(pool_at) <= set(halving):
        raise ValueError(
            f'pool_at must be some of what halves a map in this network, {tuple(halving)}, got {pool_at!r}'
        )
    return [place for place in halving if place in pool_at]


def _build(pool_cfg: dict[str, Any], place: str, channels: int) -> nn.Module:
    if isinstance(pool_cfg, dict) and pool_cfg.get('type') == 'blur' and place != 'max_pool':
        pool_cfg = {'maximum': False, **pool_cfg}
    return build_pool(pool_cfg, channels, keep_channels=True)
