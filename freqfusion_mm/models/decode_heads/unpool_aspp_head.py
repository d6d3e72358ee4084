"""DeepLabV3+'s decode head with unpoolings, which undo the poolings of the backbone, in place of interpolation.

Paper: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018, arXiv 1802.02611;
    with the LiftUpPool of LiftPool, ICLR 2021, arXiv 2104.00996.
Source: mmsegmentation's DepthwiseSeparableASPPHead is used as it is. Where LiftPool's authors put LiftUpPool in
    DeepLabV3+ is not known; the placement is ours.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPHead
from torch import Tensor, cat, nn

from ...layers import UNPOOLS, build_unpool
from ...layers.pooling.pools import PooledSize


class UnpoolASPPHead(DepthwiseSeparableASPPHead):
    """From the ASPP's map up, one unpooling for each pooling of the backbone; the low-level map joins on the way.

    Convention:
        `inputs[0]` is the low-level map; `inputs[-1]` the tuple of memories of a backbone with `return_memory=True`,
        fine to coarse. The unpoolings of those coarser than the low-level map come before the concatenation, the others
        after the two separable convolutions, so the logits have the size of the first pooled map. Interpolation reaches
        any size in one step: `unpool_cfg=dict(type='interpolate')` is the stock head, needs no memory, and its logits
        have the size of the low-level map.

    Args:
        c1_in_channels, c1_channels: of the low-level map, and what it is projected to.
        unpool_cfg: `dict(type='lift')` or `dict(type='interpolate')`, see `layers.build_unpool`. The widths of decoder
            and backbone differ, so filters cannot be tied.
        memory_channels: of each memory, fine to coarse: the backbone's `memory_channels`. Unused by 'interpolate'.
        fine_memories: how many of them are finer than the low-level map: 1 is the max pooling before ResNet's layer1.
        kwargs: those of DepthwiseSeparableASPPHead: `in_channels`, `in_index` (not -1: the memory stands there),
            `channels`, `dilations`, `num_classes` and the others; unknown ones are refused.

    Raises:
        ValueError: no low-level map, widths that do not fit, or a backbone without memories.

    Example:
        >>> import torch
        >>> from freqfusion_mm.models.backbones import PooledResNet
        >>> net = PooledResNet(18, dict(type='lift'), dilated_stages=1, base_channels=8, return_memory=True)
        >>> head = UnpoolASPPHead(in_channels=64, in_index=3, channels=16, num_classes=5, c1_in_channels=8,
        ...                       c1_channels=4, memory_channels=net.memory_channels).eval()
        >>> head(net(torch.rand(1, 3, 65, 96))).shape
        torch.Size([1, 5, 33, 48])
    """

    def __init__(
        self,
        *,
        c1_in_channels: int,
        c1_channels: int,
        unpool_cfg: dict[str, Any] = dict(type='lift'),
        memory_channels: Sequence[int] = (),
        fine_memories: int = 1,
        **kwargs,
    ) -> None:
        super().__init__(c1_in_channels=c1_in_channels, c1_channels=c1_channels, **kwargs)
        if c1_in_channels < 1:
            raise ValueError(f'c1_in_channels must be that of the low-level map, got {c1_in_channels}')
        kind = unpool_cfg.get('type') if isinstance(unpool_cfg, dict) else None
        self.direct = getattr(UNPOOLS.get(kind), 'direct', False)  # build_unpool says what is wrong with it
        if not self.direct and not 0 <= fine_memories < len(memory_channels):
            raise ValueError(
                f'{unpool_cfg!r} needs the memory_channels of the backbone, more than '
                f'fine_memories={fine_memories}, got {list(memory_channels)}'
            )
        self.fine_memories = fine_memories
        widths = [self.channels] if self.direct else list(memory_channels)
        self.unpools = nn.ModuleList(build_unpool(unpool_cfg, self.channels, width) for width in widths)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        feat = self._forward_feature(inputs)
        low = self.c1_bottleneck(inputs[0])
        if self.direct:
            feat = self.unpools[0](feat, PooledSize(tuple(low.shape[-2:])))
            return self.cls_seg(self.sep_bottleneck(cat([feat, low], dim=1)))
        memory = inputs[-1]
        if not isinstance(memory, tuple) or len(memory) != len(self.unpools):
            raise ValueError(
                f'the last input must be a tuple of {len(self.unpools)} memories: give the backbone '
                f'return_memory=True, and this head its memory_channels; got {_kind(memory)}'
            )
        levels = list(zip(self.unpools, memory))
        for unpool, remembered in reversed(levels[self.fine_memories :]):
            feat = unpool(feat, remembered)
        feat = self.sep_bottleneck(cat([feat, low], dim=1))  # [B, channels, H/4, W/4]
        for unpool, remembered in reversed(levels[: self.fine_memories]):
            feat = unpool(feat, remembered)
        return self.cls_seg(feat)


def _kind(memory: object) -> str:
    return f'{len(memory)} memories' if isinstance(memory, tuple) else f'a {type(memory).__name__}'
