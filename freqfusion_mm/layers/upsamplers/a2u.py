"""A2U: reassembly kernels from the second-order statistics of the encoder's map.

Paper: Learning Affinity-Aware Upsampling for Deep Image Matting, CVPR 2021, arXiv 2011.14288.
Source: dongdong93/a2u_matting (44c65fa, MIT) and its port for detection in tiny-smart/detection-with-upsamplers
(fef67b6), written anew. Ours has the rank 1 and the kernels shared among channels of the published rows; it takes any
pair of sizes, any number of channels and any device.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops.kernels import normalize_kernels
from ...ops.reassembly import carafe
from ..borders import crop, repeat_to_even
from ..inside import Inside, by_taps
from ..norms import group_norm
from ..option_checks import check_positive, check_windows
from ..protocol import GuidedUpsampler, without_autocast
from ..reference import ReferenceNames
from ..registry import register_upsampler

#: Samples that share one convolution, which multiplies each by the kernels of all: beyond, it takes longer than two.
SHARING = 8


@register_upsampler('A2U')
class A2U(ReferenceNames, GuidedUpsampler):
    """Upsamples `lr_feat` by kernels predicted from the affinity of `hr_feat` to itself.

    Convention:
        Two kernels per sample, 1x1 convolutions of its guide average-pooled to k x k, filter every channel of the
        guide with stride 2, zeros outside; each result goes through GroupNorm and LeakyReLU. The affinity of a 2 x 2
        square of the guide is the inner product of the two over the channels, divided by the square root of their
        number. Times one number per sample, tap and pixel of the square (row-major), from the guide's mean, and after a
        sigmoid and a softmax over the taps, it gives the reassembly kernels of the square: weights of one kernel differ
        by a factor of e at most. The window of fine pixel Y centres on coarse pixel `floor(Y*h/H)`, zeros outside the
        map. Where the guide's size is odd, its last row or column is repeated once for the filters, and the kernels are
        cropped. Ratios above 2 take several steps with the same weights, guided by `hr_feat` average-pooled to the size
        of each. Kernels are predicted in float32 or better, under autocast too.

    Args:
        lr_channels, hr_channels: channels of the two maps.
        kernel_size: odd width of the reassembly windows.
        encoder_kernel: width k of the two filters.
        with_cp: make activations again in the backward pass: less memory, more time.

    Example:
        >>> A2U(lr_channels=16, hr_channels=8)(torch.rand(1, 16, 5, 7), torch.rand(1, 8, 11, 13)).shape
        torch.Size([1, 16, 11, 13])
    """

    reference_keys = {  # of the port for detection
        'kernel_gen.bconv_U.1': 'first_filter',
        'kernel_gen.bconv_V.1': 'second_filter',
        'kernel_gen.bnu.0': 'first_norm',
        'kernel_gen.bnv.0': 'second_norm',
        'kernel_gen.bconv_UP.1': 'tap_scales',
        'kernel_gen.bconv_DP.1': None,  # of its unused pooling kernels
    }

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        kernel_size: int = 3,
        encoder_kernel: int = 6,
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels, with_cp)
        check_windows(kernel_size=kernel_size)
        check_positive(encoder_kernel=encoder_kernel)
        self.kernel_size = kernel_size
        self.encoder_kernel = encoder_kernel
        self.first_filter = nn.Conv2d(hr_channels, 1, 1)
        self.second_filter = nn.Conv2d(hr_channels, 1, 1)
        self.first_norm = group_norm(hr_channels)
        self.second_norm = group_norm(hr_channels)
        self.tap_scales = nn.Conv2d(hr_channels, 4 * kernel_size**2, 1)

    def step(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        return carafe(lr_feat, self.kernels(guide).to(lr_feat.dtype), self.kernel_size)

    def step_inside(self, lr_feat: Tensor, guide: Tensor) -> Inside:
        kernels = by_taps(self.kernels(guide), self.kernel_size)
        return Inside(tuple(lr_feat.shape[-2:]), kernels, kernels.log())

    def kernels(self, guide: Tensor) -> Tensor:
        """Reassembly kernels [B, k*k, H, W] of all pixels of `guide`, at least float32; they sum to one."""
        size = guide.shape[-2:]
        guide = guide.to(torch.promote_types(guide.dtype, torch.float32))  # the affinity is of the fourth order
        with without_autocast(guide):
            pooled = F.adaptive_avg_pool2d(guide, (self.encoder_kernel, self.encoder_kernel))
            maps = (repeat_to_even(guide), *(_conv(layer, pooled) for layer in (self.first_filter, self.second_filter)))
            parts = [maps]
            if isinstance(guide.shape[0], int):  # exporters pass symbols, any batch later
                parts = zip(*(tensor.split(SHARING) for tensor in maps))
            affinity = torch.cat([self._affinity(*part) for part in parts])  # [B, 1, h, w]
            scales = _conv(self.tap_scales, guide.mean(dim=(-2, -1), keepdim=True))  # [B, 4*k*k, 1, 1]
            logits = F.pixel_shuffle((scales * affinity).sigmoid(), 2)  # [B, k*k, 2h, 2w]
            return normalize_kernels(crop(logits, size), self.kernel_size)

    def _affinity(self, guide: Tensor, *filters: Tensor) -> Tensor:
        filtered = filter_samples(guide, *filters, self.encoder_kernel)
        first, second = (
            F.leaky_relu_(_normalize(norm, x)) for norm, x in zip((self.first_norm, self.second_norm), filtered)
        )  # [B, C, h, w]
        return (first * second).sum(dim=1, keepdim=True) / math.sqrt(self.hr_channels)


def filter_samples(x: Tensor, first: Tensor, second: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """Every channel of [B, C, H, W] times each of the two filters [B, 1, k, k] of its sample, stride 2.

    One convolution without groups, channels for samples and samples for channels, in which a sample's filters are zero
    for the others. A grouped one needs a batch size that is known on export, and its backward pass takes up to twice as
    long on CPUs; shifted slices and unfolding take several times as long, and more memory.
    """
    n, size = x.shape[0], (1, 1, kernel_size, kernel_size)  # not read off a map: ONNX needs the kernel's shape
    sample, nothing = torch.arange(n, device=x.device), x.new_zeros(size)
    own = (sample[:, None] == sample)[:, :, None, None]  # [B, N, 1, 1]
    weight = torch.cat([torch.where(own, filters.reshape(-1, *size[1:]), nothing) for filters in (first, second)])
    out = F.conv2d(x.transpose(0, 1), weight, stride=(2, 2), padding=((kernel_size - 1) // 2,) * 2)  # [C, 2*N, h, w]
    return out[:, :n].transpose(0, 1), out[:, n:].transpose(0, 1)


def _conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """In the dtype of `x`, as `_normalize`: a model in half precision has its parameters in it."""
    if conv.weight.dtype == x.dtype:
        return conv(x)  # with its hooks, such as those of pruning
    return F.conv2d(x, conv.weight.to(x.dtype), conv.bias.to(x.dtype))


def _normalize(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """Unlike `norm` itself, it takes a group of a single value, of which its bias is left."""
    return torch.group_norm(x, norm.num_groups, norm.weight.to(x.dtype), norm.bias.to(x.dtype), norm.eps)
