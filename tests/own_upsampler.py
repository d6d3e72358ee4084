"""An upsampler of a user's own, which has mmengine's `init_cfg`."""

from mmengine.model import BaseModule
from torch import nn


class Learned(BaseModule):
    """One convolution, then nearest."""

    def __init__(self, lr_channels, hr_channels, init_cfg=None):
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(lr_channels, lr_channels, 1)

    def forward(self, lr_feat, hr_feat):
        return nn.functional.interpolate(self.conv(lr_feat), hr_feat.shape[-2:])
