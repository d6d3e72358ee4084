"""mmsegmentation's ResNet that hands out its stem too.

Paper: From Big to Small: Multi-Scale Local Planar Guidance for Monocular Depth Estimation (BTS), arXiv 1907.10326,
    whose decoder reads the encoder at strides 2 to 32.
Source: written anew as a subclass, so that every checkpoint of mmsegmentation's `ResNet` loads.
"""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from torch import Tensor


class ResNetWithStem(ResNet):
    """`ResNet` whose first output is its stem before the max pooling, at stride 2.

    Arguments and state dict are those of `ResNet`; `out_indices` counts stages, so the stem comes on top.

    Example:
        >>> import torch
        >>> backbone = ResNetWithStem(18, base_channels=8, stem_channels=8)
        >>> [tuple(out.shape[1:]) for out in backbone(torch.zeros(1, 3, 65, 48))]
        [(8, 33, 24), (8, 17, 12), (16, 9, 6), (32, 5, 3), (64, 3, 2)]
    """

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        stem = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        outs, feat = [stem], self.maxpool(stem)
        for i, name in enumerate(self.res_layers):
            feat = getattr(self, name)(feat)
            if i in self.out_indices:
                outs.append(feat)
        return tuple(outs)
