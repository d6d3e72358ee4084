"""The two classifiers of ESPNet: on the encoder alone (ESPNet-C), and with the light-weight decoder.

Paper: ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation, ECCV 2018, arXiv 1803.06815.
Source: sacmehta/ESPNet (afe71c3, MIT), written anew. Where an odd size was rounded up on the way down, ours cuts the
    transposed convolution's last row or column, so that any size works.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from freqfusion_mm.layers import ESP, ConvNormAct, NormAct, ReferenceNames

EPS = 1e-3


def released_parts(options: dict, *more: str) -> dict:
    """The keywords of a head whose convolutions, norms and activations are those of the released weights.

    Raises:
        ValueError: one that chooses others.
    """
    given = [name for name in ('conv_cfg', 'norm_cfg', 'act_cfg', *more) if options.get(name)]
    if given:
        remedy = "; sync_bn='torch' in the config synchronises the norms of a model" if 'norm_cfg' in given else ''
        raise ValueError(
            f'{", ".join(given)}: the parts of this head are those of its released weights, leave it out{remedy}'
        )
    return {'init_cfg': None, **options}


class ESPNetCHead(ReferenceNames, BaseDecodeHead):
    """A 1x1 convolution without bias on one map.

    Args:
        downsample_labels: train against labels shrunk (nearest) to the logits, as the authors do, rather than
            logits enlarged to the labels.
        kwargs: `in_channels`, `in_index`, `channels` (unused), `num_classes` and the other keywords of
            mmsegmentation's decode heads; unknown ones are refused, and those of its parts.

    Example:
        >>> head = ESPNetCHead(in_channels=256, in_index=2, channels=256, num_classes=20)
        >>> head([None, None, torch.rand(1, 256, 5, 7)]).shape
        torch.Size([1, 20, 5, 7])
    """

    reference_keys = {'classifier.conv': 'classify'}

    def __init__(self, *, downsample_labels: bool = True, **kwargs) -> None:
        super().__init__(**{'dropout_ratio': 0, **released_parts(kwargs, 'dropout_ratio')})
        self.downsample_labels = downsample_labels
        del self.conv_seg
        self.classify = nn.Conv2d(self.in_channels, self.num_classes, 1, bias=False)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return self.classify(self._transform_inputs(inputs))

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict:
        if not self.downsample_labels:
            return super().loss_by_feat(seg_logits, batch_data_samples)
        small = []
        for sample in batch_data_samples:
            labels = sample.gt_sem_seg.data[None].float()
            labels = F.interpolate(labels, seg_logits.shape[-2:], mode='nearest')[0].long()
            small.append(type(sample)(metainfo=sample.metainfo, gt_sem_seg=PixelData(data=labels)))
        return super().loss_by_feat(seg_logits, small)


class ESPNetHead(ReferenceNames, BaseDecodeHead):
    """ESPNet's light-weight decoder: class maps are refined and doubled three times, with two skips.

    Convention:
        From the map at stride 8 to logits of the image's size, rounded up to even; mmseg resizes those to the image.
        BatchNorm has eps 1e-3, as in the encoder.

    Args:
        chain: of the hierarchical fusion in the decoder's ESP block, see `layers.ESP`.
        kwargs: `in_channels` ([16, 131, 256], or 19 first with `fine_map='reinforced'`), `in_index`, `num_classes`,
            `channels` (unused) and the other keywords of mmsegmentation's decode heads; unknown ones are refused, and
            those of its parts.

    Example:
        >>> head = ESPNetHead(in_channels=[16, 131, 256], in_index=[0, 1, 2], channels=20, num_classes=20)
        >>> head([torch.rand(1, 16, 23, 20), torch.rand(1, 131, 12, 10), torch.rand(1, 256, 6, 5)]).shape
        torch.Size([1, 20, 46, 40])
    """

    reference_keys = {
        'encoder.classifier.conv': 'classify',
        'classifier': 'up1',
        'br': 'norm',
        'up_l3.0': 'up3',
        'level3_C.conv': 'skip2',
        'combine_l2_l3.0': 'merge_norm_act',
        'combine_l2_l3.1': 'merge',
        'up_l2.0': 'up2',
        'up_l2.1': 'up2_norm_act',
        'conv': 'refine',
    }

    def __init__(self, *, in_channels: Sequence[int], chain: str = 'dilated', **kwargs) -> None:
        if isinstance(in_channels, int) or len(in_channels) != 3:
            raise ValueError(f'in_channels must be three numbers, for strides 2, 4 and 8, got {in_channels!r}')
        options = {'dropout_ratio': 0, **released_parts(kwargs, 'dropout_ratio')}
        super().__init__(in_channels=in_channels, input_transform='multiple_select', **options)
        if self.num_classes < 5:
            raise ValueError(
                f'num_classes must be 5 or more, as many as the ESP block of this decoder has branches, got '
                f'{self.num_classes}; ESPNetCHead takes fewer'
            )
        del self.conv_seg
        fine, middle, coarse = in_channels
        classes = self.num_classes
        self.classify = nn.Conv2d(coarse, classes, 1, bias=False)
        self.norm = nn.BatchNorm2d(classes, eps=EPS)
        self.up3 = nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False)
        self.skip2 = nn.Conv2d(middle, classes, 1, bias=False)
        self.merge_norm_act = NormAct(2 * classes, EPS)
        self.merge = ESP(2 * classes, classes, residual=False, chain=chain)
        self.up2 = nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False)
        self.up2_norm_act = NormAct(classes, EPS)
        self.refine = ConvNormAct(classes + fine, classes, 3, eps=EPS)
        self.up1 = nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        fine, middle, coarse = self._transform_inputs(inputs)
        x = cut_to(self.up3(self.norm(self.classify(coarse))), middle)  # [B, C, H/4, W/4]
        x = self.merge(self.merge_norm_act(torch.cat([self.skip2(middle), x], dim=1)))
        x = cut_to(self.up2_norm_act(self.up2(x)), fine)  # [B, C, H/2, W/2]
        return self.up1(self.refine(torch.cat([x, fine], dim=1)))  # [B, C, H, W]


def cut_to(x: Tensor, other: Tensor) -> Tensor:
    """Drop what `x` has beyond the size of `other`."""
    return x[..., : other.shape[-2], : other.shape[-1]]
