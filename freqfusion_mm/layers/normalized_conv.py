"""A norm and the 1x1 convolution after it, at the memory of one of them."""

from torch import Tensor, nn

from ..ops.group_norm_conv import group_norm_conv


def normalized_conv(norm: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """`conv(norm(x))`; by `group_norm_conv` where `norm` is a GroupNorm, and `conv` a 1x1 convolution with a bias."""
    pointwise = isinstance(conv, nn.Conv2d) and conv.kernel_size == (1, 1) and conv.bias is not None
    if not pointwise or not isinstance(norm, nn.GroupNorm):
        return conv(norm(x))
    return group_norm_conv(x, norm.weight, norm.bias, conv.weight, conv.bias, groups=norm.num_groups, eps=norm.eps)
