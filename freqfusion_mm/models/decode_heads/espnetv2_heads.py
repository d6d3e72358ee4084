"""Both published segmentation decoders of ESPNetv2.

Paper: ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network, CVPR 2019,
    arXiv 1811.11431.
Source: sacmehta/ESPNetv2 (b78e323, MIT) for `EESPNetSegHead`, sacmehta/EdgeNets (2b232d3, MIT) for `ESPNetV2Head`;
    written anew. Ours upsample to the size of the skip, where the authors' double, so that any size works.
"""

from collections.abc import Sequence

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from freqfusion_mm.layers import (
    EESP,
    ConvNormAct,
    DepthwisePyramidPool,
    EfficientPyramidPool,
    GatedSkip,
    NormAct,
    ReferenceNames,
)
from freqfusion_mm.layers.hierarchical.pyramid_pool import upsample

from .espnet_head import released_parts


class ESPNetV2Head(ReferenceNames, BaseDecodeHead):
    """EdgeNets' decoder: efficient pyramid pooling from coarse to fine, gated skips added.

    Convention:
        Four levels in, logits at the size of the finest (stride 2) out; bilinear with aligned corners throughout, the
        last resize included (`align_corners=True`, refused otherwise).

    Args:
        widths: channels after the first three pyramids.
        width: of the pyramids' narrow map; None: `min(num_classes // 2, 16)`.
        kwargs: `in_channels` (fine to coarse, four), `in_index`, `num_classes`, `channels` (unused) and the other
            keywords of mmsegmentation's decode heads; unknown ones are refused, and those of its parts.

    Example:
        >>> head = ESPNetV2Head(in_channels=[16, 32, 64, 128], in_index=[0, 1, 2, 3], channels=32, num_classes=20,
        ...                     align_corners=True)
        >>> sizes = (45, 80), (23, 40), (12, 20), (6, 10)
        >>> head([torch.rand(2, 16 * 2**i, *size) for i, size in enumerate(sizes)]).shape
        torch.Size([2, 20, 45, 80])
    """

    reference_keys = {
        **{f'bu_dec_l{i + 1}': f'pyramids.{i}' for i in range(4)},
        **{f'merge_enc_dec_l{i + 2}': f'skips.{i}' for i in range(3)},
        **{f'bu_br_l{i + 2}': f'norm_acts.{i}' for i in range(3)},
    }

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        widths: tuple[int, int, int] = (64, 48, 32),
        width: int | None = None,
        **kwargs,
    ) -> None:
        check_levels(in_channels, kwargs)
        options = {'dropout_ratio': 0, **released_parts(kwargs, 'dropout_ratio')}
        super().__init__(in_channels=in_channels, input_transform='multiple_select', **options)
        del self.conv_seg
        width = min(self.num_classes // 2, 16) if width is None else width
        if width < 1:
            raise ValueError(f'width must be positive, got {width} (num_classes={self.num_classes}); set width')
        ins, outs = (in_channels[-1], *widths), (*widths, self.num_classes)
        self.pyramids = nn.ModuleList(
            EfficientPyramidPool(i, o, width, norm_act=k < 3) for k, (i, o) in enumerate(zip(ins, outs))
        )
        self.skips = nn.ModuleList(GatedSkip(i, o) for i, o in zip(in_channels[-2::-1], widths))
        self.norm_acts = nn.ModuleList(NormAct(o) for o in widths)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        *fine, coarse = self._transform_inputs(inputs)
        first, *rest = self.pyramids
        x = first(coarse)
        for feat, skip, norm_act, pyramid in zip(reversed(fine), self.skips, self.norm_acts, rest):
            x = pyramid(norm_act(skip(feat) + upsample(x, feat.shape[-2:])))
        return x


class EESPNetSegHead(ReferenceNames, BaseDecodeHead):
    """The CVPR code's decoder: pyramid pooling at stride 8, then class maps with concatenated skips.

    Convention:
        Four levels in (strides 2, 4, 8, 16), logits at the size of the finest; bilinear with aligned corners
        (`align_corners=True`, refused otherwise). In training the class maps of stride 8 give an auxiliary loss of
        equal weight.

    Args:
        dropout_ratio: before both classifiers; the authors have 0.1 with scale 0.5 and 0.2 above.
        chain: of the hierarchical fusion in the EESP block.
        kwargs: `in_channels` (fine to coarse, four), `in_index`, `num_classes`, `channels` (unused) and the other
            keywords of mmsegmentation's decode heads; unknown ones are refused, and those of its parts.

    Example:
        >>> head = EESPNetSegHead(in_channels=[16, 32, 64, 128], in_index=[0, 1, 2, 3], channels=32, num_classes=20,
        ...                       align_corners=True).eval()
        >>> head([torch.rand(1, 16 * 2**i, 40 // 2**i, 24 // 2**i) for i in range(4)]).shape
        torch.Size([1, 20, 40, 24])
    """

    reference_keys = {
        'proj_L4_C': 'project4',
        'pspMod.0': 'mix3',
        'pspMod.1': 'pool3',
        'project_l3.1.conv': 'classify3',
        'act_l3': 'norm_act3',
        'project_l2': 'merge2',
        'project_l1.1.conv': 'classify1',
    }

    def __init__(self, *, in_channels: Sequence[int], dropout_ratio: float = 0.1, chain: str = 'all', **kwargs) -> None:
        check_levels(in_channels, kwargs)
        super().__init__(
            in_channels=in_channels,
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            **released_parts(kwargs),
        )
        del self.conv_seg
        c1, c2, c3, c4 = in_channels
        classes = self.num_classes
        self.project4 = ConvNormAct(c4, c3)
        self.mix3 = EESP(2 * c3, c3, receptive_limit=7, chain=chain)
        self.pool3 = DepthwisePyramidPool(c3, c3)
        self.drop = nn.Dropout2d(dropout_ratio)
        self.classify3 = nn.Conv2d(c3, classes, 1, bias=False)
        self.norm_act3 = NormAct(classes)
        self.merge2 = ConvNormAct(c2 + classes, classes)
        self.classify1 = nn.Conv2d(c1 + classes, classes, 1, bias=False)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return self._logits(inputs)[0]

    def _logits(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits at strides 2 and 8."""
        feat1, feat2, feat3, feat4 = self._transform_inputs(inputs)
        x = torch.cat([upsample(self.project4(feat4), feat3.shape[-2:]), feat3], dim=1)
        coarse = self.classify3(self.drop(self.pool3(self.mix3(x))))  # [B, C, H/8, W/8]
        x = upsample(self.norm_act3(coarse), feat2.shape[-2:])
        x = self.merge2(torch.cat([feat2, x], dim=1))  # [B, C, H/4, W/4]
        x = upsample(x, feat1.shape[-2:])
        return self.classify1(self.drop(torch.cat([feat1, x], dim=1))), coarse

    def loss(self, inputs: Sequence[Tensor], batch_data_samples: list, train_cfg: dict) -> dict:
        fine, coarse = self._logits(inputs)
        losses = self.loss_by_feat(fine, batch_data_samples)
        losses.update({f'aux_{name}': value for name, value in self.loss_by_feat(coarse, batch_data_samples).items()})
        return losses


def check_levels(in_channels: Sequence[int], options: dict) -> None:
    """Raise a ValueError unless there are four widths and corners are aligned."""
    if isinstance(in_channels, int) or len(in_channels) != 4:
        raise ValueError(f'in_channels must be four numbers, for strides 2, 4, 8 and 16, got {in_channels!r}')
    if not options.get('align_corners', False):
        raise ValueError('align_corners must be True (the released decoders align corners everywhere), got False')
