"""The encoder of ESPNet (ESPNet-C without its classifier).

Paper: ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation, ECCV 2018, arXiv 1803.06815.
Source: sacmehta/ESPNet (afe71c3, MIT), written anew. Ours hands out its three maps and takes any image size.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from freqfusion_mm.layers import ESP, ConvNormAct, NormAct, ReferenceNames
from freqfusion_mm.layers.hierarchical.units import UNITS

from .norm_eval import NormEval

EPS = 1e-3


class ESPNet(ReferenceNames, NormEval, BaseModule):
    """ESP blocks at strides 4 and 8, each stage concatenated with its own input and with the shrunken image.

    Convention:
        Strides 2, 4, 8; each halving rounds the size up. `out_channels` says what the maps have: by default
        16 (or 19), 131 and 256.

    Args:
        depths: units at strides 4 and 8 (the authors' p and q; p=2 and q=3, 5, 8 are released).
        widths: channels of the three stages; for `chain='all'` the last two must be multiples of 5.
        fine_map: what is handed out at stride 2. 'stem': the first convolution (16 channels), as the released
            Cityscapes decoders read it; 'reinforced': with the image beside it (19), as the CamVid decoder does.
        image_reinforcement: concatenate the shrunken image; off is the poster's row "Encoder".
        chain: of the hierarchical fusion, see `layers.ESP`: 'dilated' (released), 'all', 'none'.
        unit: 'esp', or what the poster compares it with: 'resnet', 'resnext', 'inception', 'mobilenet' or 'shufflenet',
            see `layers.hierarchical.units`; a 3x3 convolution then halves the map.
        out_indices: of the stages to hand out; later ones are not built.
        in_channels: of the image.
        norm_eval: keep the BatchNorm statistics fixed during training.
        init_cfg: mmengine's; the weights start as torch initialises them.

    Raises:
        ValueError: options outside the above.

    Example:
        >>> [tuple(out.shape) for out in ESPNet()(torch.rand(1, 3, 90, 161))]
        [(1, 16, 45, 81), (1, 131, 23, 41), (1, 256, 12, 21)]
    """

    reference_keys = {
        'level1': 'stem',
        'b1': 'norm_act1',
        'level2_0': 'down2',
        'level2': 'stage2',
        'b2': 'norm_act2',
        'level3_0': 'down3',
        'level3': 'stage3',
        'b3': 'norm_act3',
    }

    def __init__(
        self,
        depths: tuple[int, int] = (2, 8),
        widths: tuple[int, int, int] = (16, 64, 128),
        fine_map: str = 'stem',
        image_reinforcement: bool = True,
        chain: str = 'dilated',
        unit: str = 'esp',
        out_indices: Sequence[int] = (0, 1, 2),
        in_channels: int = 3,
        norm_eval: bool = False,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if fine_map not in ('stem', 'reinforced'):
            raise ValueError(f"fine_map must be 'stem' or 'reinforced', got {fine_map!r}")
        if not set(out_indices) <= {0, 1, 2} or not out_indices:
            raise ValueError(f'out_indices must be some of 0, 1, 2, got {tuple(out_indices)}')
        if len(depths) != 2 or min(depths) < 1:
            raise ValueError(f'depths must be two positive numbers of ESP blocks, got {depths}')
        if unit not in ('esp', *UNITS):
            raise ValueError(f'unit must be one of {("esp", *UNITS)}, got {unit!r}')

        def down(before: int, after: int) -> nn.Module:
            if unit == 'esp':
                return ESP(before, after, stride=2, chain=chain)
            return ConvNormAct(before, after, 3, stride=2, eps=EPS)

        def units(channels: int, number: int) -> nn.ModuleList:
            make = UNITS.get(unit) or (lambda channels: ESP(channels, channels, chain=chain))
            return nn.ModuleList(make(channels) for _ in range(number))

        stem, middle, last = widths
        image = in_channels if image_reinforcement else 0
        joined = stem + image, 2 * middle + image, 2 * last
        self.image_reinforcement = image_reinforcement
        self.fine_map = fine_map
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        self.out_channels = [(stem if fine_map == 'stem' else joined[0], *joined[1:])[i] for i in out_indices]

        self.stem = ConvNormAct(in_channels, stem, 3, stride=2, eps=EPS)
        self.num_maps = max(out_indices) + 1
        if self.num_maps > 1 or fine_map == 'reinforced':
            self.norm_act1 = NormAct(joined[0], EPS)
        if self.num_maps > 1:
            self.down2 = down(joined[0], middle)
            self.stage2 = units(middle, depths[0])
            self.norm_act2 = NormAct(joined[1], EPS)
        if self.num_maps > 2:
            self.down3 = down(joined[1], last)
            self.stage3 = units(last, depths[1])
            self.norm_act3 = NormAct(joined[2], EPS)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """[B, in_channels, H, W] -> the maps of `out_indices`."""
        half = quarter = []
        if self.image_reinforcement:
            half = [F.avg_pool2d(image, 3, stride=2, padding=1)]
            quarter = [F.avg_pool2d(half[0], 3, stride=2, padding=1)]
        outs = [self.stem(image)]
        if self.num_maps > 1 or self.fine_map == 'reinforced':
            feat1 = self.norm_act1(torch.cat([outs[0], *half], dim=1))  # [B, 19, H/2, W/2]
            outs = [feat1] if self.fine_map == 'reinforced' else outs
        if self.num_maps > 1:
            down = feat = self.down2(feat1)
            for block in self.stage2:
                feat = block(feat)
            outs.append(self.norm_act2(torch.cat([feat, down, *quarter], dim=1)))  # [B, 131, H/4, W/4]
        if self.num_maps > 2:
            down = feat = self.down3(outs[1])
            for block in self.stage3:
                feat = block(feat)
            outs.append(self.norm_act3(torch.cat([down, feat], dim=1)))  # [B, 256, H/8, W/8]
        return tuple(outs[i] for i in self.out_indices)
