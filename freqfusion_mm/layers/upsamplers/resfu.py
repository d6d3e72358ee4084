"""ReSFU: a similarity-based upsampler that reaches high ratios in one step.

Paper: A Refreshed Similarity-based Upsampler for Direct High-Ratio Feature Upsampling, IEEE TNNLS 2025,
doi 10.1109/tnnls.2025.3638370, arXiv 2407.02283.
Source: zmhhmz/ReSFU (62e9d9c, no licence), written anew. Ours takes any pair of sizes, any float dtype and any device
without the CUDA extension, derives the dilation from the sizes, and keeps low resolution first in its arguments.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ...ops.reassembly import fns_attention
from ..borders import repeat_border
from ..fixed_window import FixedWindow
from ..inside import Inside, by_taps
from ..norms import group_norm
from ..option_checks import check_groups, check_windows
from ..protocol import GuidedUpsampler
from ..recomputation import recomputed
from ..reference import ReferenceNames
from ..registry import register_upsampler
from .guided_filter import GuidedFilter
from .paired_difference import PairedDifferenceSimilarity, normalized_conv


@register_upsampler('ReSFU')
class ReSFU(FixedWindow, ReferenceNames, GuidedUpsampler):
    """Upsamples `lr_feat` by attention over the k x k samples around each fine pixel, one coarse pixel apart.

    Convention:
        Queries come from `hr_feat`, keys from `lr_feat`, resized bilinearly (`align_corners=False`). Two similarities
        are added: a semantic one, of the resized keys to the queries that a guided filter drew to them, and a detail
        one, of the blurred queries to the queries. Their neighbours are `scale_factor` fine pixels apart; those outside
        the map get no weight. The values are those of `freqfusion_mm.ops.fns_attention`, whose distances are the true
        ratio of the sizes whatever `scale_factor` is. The weights sum to one, so a constant map stays constant.
        Any sizes with `H >= h`. Softmax and guided filter work in float32 or better under autocast.

    Args:
        lr_channels, hr_channels: channels of the two maps.
        kernel_size: odd window width k.
        scale_factor: distance of a neighbour in fine pixels: one number, (d_y, d_x), or None for the whole number that
            is nearest to the ratio of the sizes, axis by axis, as in the paper (2, 4 and 8 for the three modules of
            SegFormer). The released SegFormer trained all three with 2. No weight depends on it.
        compressed_channels: width of queries and keys.
        groups: of the convolutions that compare them.
        mid_channels: width of these convolutions.
        norm_groups: of their GroupNorms.
        compress_hr: a 1x1 convolution makes the queries. Off, `hr_feat` is the query and has `compressed_channels`.
        bias: of the 1x1 convolutions that make queries and keys.
        lr_norm, hr_norm: GroupNorm on the two maps before, with 32 groups, or the largest number below that divides
            their channels.
        radius, eps: of the guided filter.
        subsample: the guided filter works on every `subsample`-th pixel.
        lr_mult: multiplies the gradients of the parameters of both similarities (500 in the released configs). Under
            SGD it acts as that many times the learning rate. Under Adam and AdamW, which divide by the size of the
            gradient, it does nothing, unless gradients are clipped by their norm: then it shrinks the step of every
            other parameter. `paramwise_cfg=dict(custom_keys=dict(semantic_scores=dict(lr_mult=...),
            detail_scores=dict(lr_mult=...)))` is the same under SGD without weight decay, and a real change of the
            learning rate under Adam.
        with_cp: make activations again in the backward pass: less memory, more time.

    Example:
        >>> upsample = ReSFU(lr_channels=64, hr_channels=32)
        >>> upsample(torch.rand(1, 64, 5, 7), torch.rand(1, 32, 40, 53)).shape
        torch.Size([1, 64, 40, 53])
    """

    direct = True
    reference_args = {
        'dim_y': 'hr_channels',
        'dim_x': 'lr_channels',
        'embedding_dim': 'compressed_channels',
        'y_conv': 'compress_hr',
        'qkv_bias': 'bias',
        'normx': 'lr_norm',
        'normy': 'hr_norm',
        'gn_dim': 'norm_groups',
        'gf_scale': 'subsample',
    }
    reference_same = {'dim_x': 'dim_y'}
    reference_defaults = {'scale_factor': 4}
    reference_keys = {
        'norm_x': 'lr_norm',
        'norm_y': 'hr_norm',
        'q': 'hr_compressor',
        'k': 'lr_compressor',
        'GF.kernel': None,
    }

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        kernel_size: int = 3,
        scale_factor: int | tuple[int, int] | None = None,
        compressed_channels: int = 32,
        groups: int = 4,
        mid_channels: int = 128,
        norm_groups: int = 8,
        compress_hr: bool = True,
        bias: bool = True,
        lr_norm: bool = True,
        hr_norm: bool = True,
        radius: int = 8,
        eps: float = 1e-3,
        subsample: int = 2,
        lr_mult: float = 1.0,
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels, with_cp)
        check_windows(kernel_size=kernel_size)
        check_groups(groups, compressed_channels=compressed_channels, mid_channels=mid_channels)
        check_groups(norm_groups, 'norm_groups', compressed_channels=compressed_channels, mid_channels=mid_channels)
        if not compress_hr and hr_channels != compressed_channels:
            raise ValueError(
                f'without compress_hr, hr_feat is the query and needs compressed_channels='
                f'{compressed_channels} channels, got hr_channels={hr_channels}'
            )
        pair = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
        if scale_factor is not None and (len(pair) != 2 or not all(isinstance(d, int) and d > 0 for d in pair)):
            raise ValueError(
                f'scale_factor must be None, a positive whole number or a pair of them, got {scale_factor}'
            )
        self.kernel_size = kernel_size
        self.compressed_channels = compressed_channels
        self.groups = groups
        self.mid_channels = mid_channels
        self.norm_groups = norm_groups
        self.compress_hr = compress_hr
        self.bias = bias
        self.radius = radius
        self.eps = eps
        self.subsample = subsample
        self.scale_factor = None if scale_factor is None else tuple(pair)
        self.lr_mult = lr_mult

        self.lr_norm = group_norm(lr_channels) if lr_norm else nn.Identity()
        self.hr_norm = group_norm(hr_channels) if hr_norm else nn.Identity()
        self.lr_compressor = nn.Conv2d(lr_channels, compressed_channels, 1, bias=bias)
        self.hr_compressor = nn.Conv2d(hr_channels, compressed_channels, 1, bias=bias) if compress_hr else nn.Identity()
        self.window = self.make_window()
        self.guided_filter = GuidedFilter(radius, eps, subsample)
        similarity = dict(kernel_size=kernel_size, mid_channels=mid_channels, groups=groups, norm_groups=norm_groups)
        self.semantic_scores = PairedDifferenceSimilarity(compressed_channels, **similarity)
        self.detail_scores = PairedDifferenceSimilarity(compressed_channels, **similarity)
        self.init_weights()

    def make_window(self) -> Tensor:
        """3 x 3 Gaussian of sigma 1, in the authors' float32 arithmetic, on which their results in float64 rest too."""
        place = torch.arange(-1.0, 2.0, dtype=torch.float32)
        window = torch.exp(-(place[:, None] ** 2 + place**2) / 2)
        return window / window.sum()

    def init_weights(self) -> None:
        """N(0, 0.02) for the 1x1 convolutions; the paired difference convolutions keep their Kaiming initialisation."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def upsample(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        attn = self.attention(lr_feat, hr_feat)  # [B, k*k, H, W]
        return fns_attention(attn, lr_feat, self.kernel_size)  # [B, lr_channels, H, W]

    def attention(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        """Weights [B, k*k, H, W] of the samples around each fine pixel, at least float32; they sum to one."""
        return self._attend(self._scores_of(lr_feat, hr_feat), lr_feat.shape[-2:])

    def inside(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Inside:
        scores, coarse = self._scores_of(lr_feat, hr_feat), tuple(lr_feat.shape[-2:])
        kernels = by_taps(self._attend(scores, coarse), self.kernel_size)
        return Inside(coarse, kernels, by_taps(scores, self.kernel_size), around_place=True)

    def _scores_of(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        """[B, k*k, H, W], of neighbours outside the map too."""
        height, width = hr_feat.shape[-2:]
        dilation = self.dilation(lr_feat.shape[-2:], (height, width))
        query = normalized_conv(self.hr_norm, self.hr_compressor, hr_feat)  # [B, C', H, W]
        key = self.lr_compressor(self.lr_norm(lr_feat))  # [B, C', h, w]
        key = F.interpolate(key, (height, width), mode='bilinear', align_corners=False).to(query.dtype)
        # Apart, for their maps are the widest: a backward pass holds those of one at a time.
        scores = recomputed(self, self._scores, self.semantic_scores, key, self.guided_filter(query, key), dilation)
        return scores + recomputed(self, self._scores, self.detail_scores, self._blurred(query), query, dilation)

    def _attend(self, scores: Tensor, coarse: tuple[int, int]) -> Tensor:
        height, width = scores.shape[-2:]
        inside = _inside(height, width, self.dilation(coarse, (height, width)), self.kernel_size, scores.device)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))  # float16 does not hold -1e7
        return scores.masked_fill(~inside, -1e7).softmax(dim=1)

    def dilation(self, coarse: tuple[int, int], fine: tuple[int, int]) -> tuple[int, int]:
        """Distance of the compared neighbours: `scale_factor`, or the whole number nearest to the sizes' ratio."""
        return self.scale_factor or tuple((2 * f + c) // (2 * c) for c, f in zip(coarse, fine))

    def _scores(self, scores: nn.Module, key: Tensor, query: Tensor, dilation: tuple[int, int]) -> Tensor:
        if self.lr_mult == 1 or not torch.is_grad_enabled():
            return scores(key, query, dilation)
        # Hooks on the parameters would be lost by a deep copy, and with them the setting.
        scaled = {name: _ScaleGradient.apply(p, self.lr_mult) for name, p in scores.named_parameters()}
        return functional_call(scores, scaled, (key, query, dilation))

    def _blurred(self, query: Tensor) -> Tensor:
        channels = self.lr_compressor.out_channels  # not read off the map: ONNX needs the kernel's shape
        kernel = self.window.to(query.dtype).expand(channels, 1, 3, 3)
        return F.conv2d(repeat_border(query, (1, 1, 1, 1)), kernel, groups=channels)


class _ScaleGradient(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, factor: float) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad * ctx.factor, None


def _inside(height: int, width: int, dilation: tuple[int, int], kernel_size: int, device: torch.device) -> Tensor:
    """Which neighbours of which pixel lie in the map, [1, k*k, H, W]."""
    offsets = torch.arange(kernel_size, device=device) - kernel_size // 2
    rows, cols = (
        torch.arange(size, device=device) + offsets[:, None] * d for size, d in zip((height, width), dilation)
    )
    rows, cols = ((index >= 0) & (index < size) for index, size in ((rows, height), (cols, width)))
    return (rows[:, None, :, None] & cols[None, :, None, :]).flatten(0, 1)[None]
