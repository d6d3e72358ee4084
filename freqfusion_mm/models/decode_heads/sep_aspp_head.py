"""DeepLabV3+'s decode head with a chosen way up from the ASPP's map: a feature fusion, or unpoolings.

Paper: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018, arXiv 1802.02611;
    with the LiftUpPool of LiftPool, ICLR 2021, arXiv 2104.00996.
Source: mmsegmentation's DepthwiseSeparableASPPHead, subclassed; the fusion takes the place of its interpolation. Where
    LiftPool's authors put LiftUpPool in DeepLabV3+ is not known; the placement is ours.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPHead
from torch import Tensor, cat, nn

from ...layers import UNPOOLS, build_fusion, build_unpool
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionSepASPPHead(KeptInit, DepthwiseSeparableASPPHead):
    """DeepLabV3+ head: the ASPP's map is upsampled by `upsample_cfg`, guided by the projected low-level map.

    Convention:
        The fusion's two outputs are concatenated. With `dict(type='bilinear')` it is `DepthwiseSeparableASPPHead`, same
        keys and numbers. `fusions` holds the one fusion.
        An unpooling undoes one pooling of the backbone, so there is one for each: `inputs[-1]` is the tuple of memories
        of a backbone with `return_memory=True`, fine to coarse. Those coarser than the low-level map are undone before
        the concatenation, the others after the two separable convolutions, so the logits have the size of the first
        pooled map. `unpools` holds them, fine to coarse.

    Args:
        c1_in_channels, c1_channels: of the low-level map `inputs[0]`, and what it is projected to.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see `layers.read_upsample_cfg`. Or an
            unpooling, `dict(type='lift')`; see `layers.build_unpool`. The widths of decoder and backbone differ, so
            filters cannot be tied.
        memory_channels: of each memory, fine to coarse: the backbone's `memory_channels`. For unpoolings alone.
        fine_memories: how many of them are finer than the low-level map: 1 is the max pooling before ResNet's layer1.
        kwargs: `in_channels`, `in_index` (not -1 where the memory stands there), `channels`, `dilations`, `num_classes`
            and the others of mmsegmentation's head; unknown ones are refused.

    Raises:
        ValueError: no low-level map, whose size is the one to reach; widths that do not fit, or a backbone without
            memories.

    Example:
        >>> import torch
        >>> options = dict(in_channels=16, in_index=1, channels=8, num_classes=3, c1_in_channels=4, c1_channels=4)
        >>> head = FusionSepASPPHead(**options).eval()
        >>> head([torch.zeros(1, 4, 9, 7), torch.zeros(1, 16, 3, 2)]).shape
        torch.Size([1, 3, 9, 7])
        >>> from freqfusion_mm.models.backbones import PooledResNet
        >>> net = PooledResNet(18, dict(type='lift'), dilated_stages=1, base_channels=8, return_memory=True)
        >>> options.update(in_channels=64, in_index=3, c1_in_channels=8, memory_channels=net.memory_channels)
        >>> FusionSepASPPHead(**options, upsample_cfg='lift').eval()(net(torch.rand(1, 3, 65, 96))).shape
        torch.Size([1, 3, 33, 48])
    """

    def __init__(
        self,
        *,
        c1_in_channels: int,
        c1_channels: int,
        upsample_cfg: str | type | dict[str, Any] = 'FreqFusion',
        memory_channels: Sequence[int] = (),
        fine_memories: int = 1,
        **kwargs,
    ) -> None:
        if c1_in_channels < 1:
            raise ValueError(
                f'FusionSepASPPHead: c1_in_channels must be that of the low-level map, got {c1_in_channels}; without '
                'one the head upsamples no features'
            )
        super().__init__(c1_in_channels=c1_in_channels, c1_channels=c1_channels, **kwargs)
        self.c1_in_channels = c1_in_channels
        self.fine_memories = fine_memories
        self.fusions, self.unpools = nn.ModuleList(), nn.ModuleList()
        cfg = upsample_cfg if isinstance(upsample_cfg, dict) else dict(type=upsample_cfg)
        if cfg.get('type') not in UNPOOLS:
            offered = dict(align_corners=self.align_corners, norm_cfg=self.norm_cfg)
            self.fusions.append(build_fusion(upsample_cfg, self.channels, c1_channels, **offered))
        elif 0 <= fine_memories < len(memory_channels):
            self.unpools.extend(build_unpool(cfg, self.channels, width) for width in memory_channels)
        else:
            raise ValueError(
                f'FusionSepASPPHead: {cfg!r} needs the memory_channels of the backbone, more than '
                f'fine_memories={fine_memories}, got {list(memory_channels)}'
            )

    def forward(self, inputs: Sequence[Tensor | tuple]) -> Tensor:
        """Maps, fine to coarse, and the memories where there are unpoolings, to [B, num_classes, H, W]."""
        check_maps('FusionSepASPPHead', inputs[:1], [self.c1_in_channels])
        feat, low = self._forward_feature(inputs), self.c1_bottleneck(inputs[0])
        if self.fusions:
            feat, low = self.fusions[0](feat, low)
            return self.cls_seg(self.sep_bottleneck(cat([feat, low], dim=1)))
        memory = inputs[-1]
        if not isinstance(memory, tuple) or len(memory) != len(self.unpools):
            came = f'{len(memory)} memories' if isinstance(memory, tuple) else f'a {type(memory).__name__}'
            raise ValueError(
                f'FusionSepASPPHead: the last input must be a tuple of {len(self.unpools)} memories: give the backbone '
                f'return_memory=True, and this head its memory_channels; got {came}'
            )
        levels = list(zip(self.unpools, memory))
        for unpool, remembered in reversed(levels[self.fine_memories :]):
            feat = unpool(feat, remembered)
        feat = self.sep_bottleneck(cat([feat, low], dim=1))  # [B, channels, H/4, W/4]
        for unpool, remembered in reversed(levels[: self.fine_memories]):
            feat = unpool(feat, remembered)
        return self.cls_seg(feat)
