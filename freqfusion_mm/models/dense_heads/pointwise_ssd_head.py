"""The head of ESPNetv2's SSD: that of SSD with 1x1 convolutions.

Paper: ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network, CVPR 2019,
    arXiv 1811.11431.
Source: mmdet's SSDHead, subclassed; the convolutions as in sacmehta/EdgeNets (8082dae, MIT).
"""

from mmdet.models.dense_heads import SSDHead
from torch import nn


class PointwiseSSDHead(SSDHead):
    """mmdet's `SSDHead`, with one 1x1 convolution for the classes and one for the boxes of a level.

    Args:
        num_classes: without the background.
        in_channels: of the levels.
        anchor_generator, bbox_coder, train_cfg, test_cfg, init_cfg: mmdet's.
        reg_decoded_bbox: mmdet's.

    Example:
        >>> import torch
        >>> from mmdet.utils import register_all_modules
        >>> register_all_modules()
        >>> anchors = dict(type='SSDAnchorGenerator', strides=[8, 16], ratios=[[2], [2, 3]], scale_major=False,
        ...                min_sizes=[30, 60], max_sizes=[60, 90])
        >>> head = PointwiseSSDHead(2, in_channels=[8, 8], anchor_generator=anchors)
        >>> scores, boxes = head([torch.rand(1, 8, 3, 3)] * 2)
        >>> scores[0].shape, boxes[1].shape
        (torch.Size([1, 12, 3, 3]), torch.Size([1, 24, 3, 3]))
    """

    loss_cls = None  # mmdet 3.3.0 asks every dense head for it, and its SSDHead sets none

    def _init_layers(self) -> None:
        if self.stacked_convs or self.use_depthwise:
            raise ValueError(
                'PointwiseSSDHead has one 1x1 convolution a level; for stacked_convs or use_depthwise take SSDHead'
            )
        sizes = list(zip(self.in_channels, self.num_base_priors))
        self.cls_convs = nn.ModuleList(nn.Conv2d(c, n * self.cls_out_channels, 1) for c, n in sizes)
        self.reg_convs = nn.ModuleList(nn.Conv2d(c, n * 4, 1) for c, n in sizes)
