"""IndexNet: the encoder's map predicts how much of its coarse pixel every fine pixel gets.

Paper: Indices Matter: Learning to Index for Deep Image Matting, ICCV 2019, arXiv 1908.00672.
Source: poppinace/indexnet_matting (9036379, academic use only), written anew. Ours is the upsampling half, as the
tables of later upsamplers use it; it takes any pair of sizes.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import resize_nearest
from ..borders import crop, repeat_to_even
from ..inside import Inside
from ..norms import build_norm
from ..protocol import GuidedUpsampler
from ..reference import ReferenceNames
from ..registry import register_upsampler

INDICES = ('holistic', 'm2o', 'o2o')


@register_upsampler('IndexNet')
class IndexNet(ReferenceNames, GuidedUpsampler):
    """Repeats the pixels of `lr_feat` and multiplies them by an index map in (0, 1) that is predicted from `hr_feat`.

    Convention:
        `out[n,c,Y,X] = lr_feat[n, c, floor(Y*h/H), floor(X*w/W)] * index[n,c,Y,X]`. The index is the sigmoid of four
        values that a strided block predicts for each 2 x 2 square of `hr_feat`, in row-major order. It is not
        normalised: on average the result is half of `lr_feat` at the start. Zeros border `hr_feat`; where its size is
        odd, its last row or column is repeated once before, and the index cropped. Ratios above 2 take several steps
        with the same weights, guided by `hr_feat` average-pooled to the size of each.
        The authors' encoder pools by the softmax of the index over each square; poolings are no part of this layer.

    Args:
        lr_channels, hr_channels: channels of the two maps; equal for 'm2o' and 'o2o'.
        index: 'holistic': one index map for all channels. 'm2o': one a channel, each predicted from all channels of
            `hr_feat`. 'o2o': one a channel, predicted from that channel of `hr_feat` alone.
        nonlinear: `norm_cfg`, ReLU6 and a 1x1 convolution follow the strided convolution. BatchNorm needs two values a
            channel in training: torch refuses a single sample of one square.
        context: the strided convolution sees 4 x 4 pixels; off, the square alone.
        norm_cfg: as in mmcv: `dict(type='BN' | 'SyncBN' | 'GN' | 'LN', requires_grad=True, **options)`; in a neck or
            head that has one, it is the default.
        with_cp: make activations again in the backward pass: less memory, more time.

    Example:
        >>> IndexNet(lr_channels=16, hr_channels=8)(torch.rand(2, 16, 5, 7), torch.rand(2, 8, 11, 13)).shape
        torch.Size([2, 16, 11, 13])
    """

    follows = ('norm_cfg',)
    reference_keys = {'indexnet': 'blocks.0', **{f'indexnet{i + 1}': f'blocks.{i}' for i in range(4)}}

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        index: str = 'holistic',
        nonlinear: bool = True,
        context: bool = True,
        norm_cfg: dict[str, Any] = dict(type='BN'),
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels, with_cp)
        if index not in INDICES:
            raise ValueError(f'index must be one of {INDICES}, got {index!r}')
        if index != 'holistic' and lr_channels != hr_channels:
            raise ValueError(
                f'index={index!r} has an index map for each channel of hr_feat and needs as many in both '
                f"maps, got lr_channels={lr_channels} and hr_channels={hr_channels}: use 'holistic'"
            )
        self.index = index
        self.nonlinear = nonlinear
        self.context = context
        self.norm_cfg = norm_cfg
        block = partial(_block, nonlinear=nonlinear, context=context, norm_cfg=norm_cfg)
        if index == 'holistic':
            self.blocks = nn.ModuleList([block(hr_channels, 2 * hr_channels, 4, groups=1)])
        else:
            groups = hr_channels if index == 'o2o' else 1
            self.blocks = nn.ModuleList(block(hr_channels, hr_channels, hr_channels, groups=groups) for _ in range(4))

    def predict(self, guide: Tensor) -> Tensor:
        """Index of each 2 x 2 square, [B, 1 or hr_channels, 4, ceil(H/2), ceil(W/2)], in (0, 1)."""
        guide = repeat_to_even(guide)
        logits = [block(guide) for block in self.blocks]
        return (logits[0][:, None] if self.index == 'holistic' else torch.stack(logits, dim=2)).sigmoid()

    def upsample_nothing(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        # No sample of zeros, which would leave its trace in BatchNorm; no pixel shuffle, whose gradient torch refuses.
        return resize_nearest(lr_feat, hr_feat.shape[-2:]) * self.predict(hr_feat).sum().to(lr_feat.dtype)

    def step_inside(self, lr_feat: Tensor, guide: Tensor) -> Inside:
        index = F.pixel_shuffle(self.predict(guide).flatten(1, 2), 2)  # [B, 1 or C, 2h, 2w]
        return Inside(tuple(lr_feat.shape[-2:]), factor=crop(index, guide.shape[-2:]))

    def step(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        index = self.predict(guide).to(lr_feat.dtype)
        (h, w), (height, width) = lr_feat.shape[-2:], guide.shape[-2:]
        known = all(isinstance(size, int) for size in (h, w, height, width))  # exporters pass symbols, any size later
        if known and index.shape[-2:] == (h, w):  # one square a pixel: the backward pass needs no map at the fine size
            squares = lr_feat[:, :, None] * index  # [B, C, 4, h, w]
            return crop(F.pixel_shuffle(squares.flatten(1, 2), 2), (height, width))
        index = crop(F.pixel_shuffle(index.flatten(1, 2), 2), (height, width))  # [B, 1 or C, H, W]
        return resize_nearest(lr_feat, (height, width)) * index


def _block(
    in_channels: int,
    mid_channels: int,
    out_channels: int,
    groups: int,
    nonlinear: bool,
    context: bool,
    norm_cfg: dict[str, Any],
) -> nn.Module:
    options = dict(kernel_size=4, padding=1) if context else dict(kernel_size=2)
    options.update(stride=2, groups=groups, bias=False)
    if not nonlinear:
        return nn.Conv2d(in_channels, out_channels, **options)
    return nn.Sequential(
        nn.Conv2d(in_channels, mid_channels, **options),
        build_norm(norm_cfg, mid_channels),
        nn.ReLU6(inplace=True),
        nn.Conv2d(mid_channels, out_channels, 1, groups=groups, bias=False),
    )
