"""The convolution of the fusion layers."""

from torch import Tensor, nn

from ..ops.opaque import conv2d
from .borders import repeat_border


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, opaque to `torch.compile` on CPUs: see `ops.opaque.conv2d`.

    Padding is in numbers, and `padding_mode` 'zeros' or 'replicate'.
    """

    def forward(self, x: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode == 'replicate':
            (pad_y, pad_x), padding = padding, (0, 0)
            x = repeat_border(x, (pad_x, pad_x, pad_y, pad_y))
        return conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
