"""The lifting scheme: splits an axis in a coarse half and a detail half, by filters that are learned, and joins them.

Paper: LiftPool: Bidirectional ConvNet Pooling, ICLR 2021, arXiv 2104.00996. Predict and update: W. Sweldens, The
lifting scheme, 1996.
Source: no code of LiftPool was released. The form of the two filters is that of hulianyuyy/Temporal-Lift-Pooling
(21be215, no licence), the 1-D successor whose code its authors did release; written anew.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..borders import repeat_border
from ..option_checks import check_positive, check_windows
from ..protocol import without_autocast
from ..untouched import untouched

#: variant -> groups of the two convolutions of a filter, as a function of the channels.
VARIANTS = {
    'depthwise': lambda channels: (channels, channels),
    'separable': lambda channels: (channels, 1),
    'dense': lambda channels: (1, 1),
    'linear': lambda channels: (channels, None),
}
#: wavelet -> taps of the predictor and of the updater, and the index of the tap that reads the pixel's own place.
WAVELETS = {
    'haar': (([1.0], 0), ([0.5], 0)),
    'legall': (([0.5, 0.5], 0), ([0.25, 0.25], 1)),
}
BORDERS = ('replicate', 'zeros')


class SubBands(NamedTuple):
    """What a map is split into, each [B, C, ceil(H/2), ceil(W/2)], and the size (H, W) that it had.

    The first letter says what was taken along the width, the second along the height: L the coarse half, H the details.
    """

    ll: Tensor
    lh: Tensor
    hl: Tensor
    hh: Tensor
    size: tuple[int, int]


class LiftFilter(nn.Module):
    """Predictor or updater: a 1-D convolution, ReLU, a 1x1 convolution and tanh; as `variant='linear'` the first alone.

    The same weights run along the rows or, transposed, along the columns.
    """

    def __init__(self, channels: int, kernel_size: int, variant: str, border: str) -> None:
        super().__init__()
        groups, pointwise_groups = VARIANTS[variant](channels)
        linear = pointwise_groups is None
        self.border = border
        self.reach = kernel_size // 2
        self.spatial = nn.Conv2d(channels, channels, (1, kernel_size), groups=groups, bias=not linear)
        self.pointwise = None if linear else nn.Conv2d(channels, channels, 1, groups=pointwise_groups)

    def forward(self, feat: Tensor, vertical: bool) -> Tensor:
        reach = self.reach
        pad = (0, 0, reach, reach) if vertical else (reach, reach, 0, 0)
        padded = F.pad(feat, pad) if self.border == 'zeros' else repeat_border(feat, pad)
        if not untouched(self.spatial, self.pointwise) and self.spatial.weight.dtype == feat.dtype:
            out = self.spatial(padded.transpose(-1, -2)).transpose(-1, -2) if vertical else self.spatial(padded)
            return out if self.pointwise is None else self.pointwise(out.relu()).tanh()
        weight = self.spatial.weight.to(feat.dtype)
        weight = weight.transpose(-1, -2) if vertical else weight
        out = F.conv2d(padded, weight, _cast(self.spatial.bias, feat), groups=self.spatial.groups)
        if self.pointwise is None:
            return out
        return F.conv2d(
            out.relu(),
            self.pointwise.weight.to(feat.dtype),
            _cast(self.pointwise.bias, feat),
            groups=self.pointwise.groups,
        ).tanh()


def _cast(bias: Tensor | None, feat: Tensor) -> Tensor | None:
    return None if bias is None else bias.to(feat.dtype)


class Lifting(nn.Module):
    """One predictor P and one updater U, for every 1-D lift of a layer.

    Convention:
        `even, odd = x[0::2], x[1::2]`; `detail = odd - P(even)`; `coarse = even + U(detail)`. An odd axis is lengthened
        by a copy of its last pixel, so the halves have `ceil(n/2)` pixels, and `unlift` drops the copy again. Undone by
        the same sums in the opposite order, hence exactly invertible whatever P and U are.
        In two dimensions the width comes first, then the height of both halves, with the same P and U.
        Sums are float32 at least, also under autocast.

    Args:
        channels: C.
        kernel_size: odd taps of P and U along an axis.
        variant: 'depthwise': both convolutions per channel, C*K + C weights a filter, the count that the paper's author
            gives; 'separable': the 1x1 convolution over all channels, as in Temporal Lift Pooling; 'dense': both over
            all channels; 'linear': one convolution per channel, no bias and no non-linearity, which makes it a wavelet.
        init: 'random': torch's default for convolutions; 'zero': the 1x1 convolutions start at weight zero, as in
            Temporal Lift Pooling; 'haar' and 'legall' (the 5/3 wavelet), for 'linear'. These equal PyWavelets' `haar`
            and `bior2.2` up to the scale of the bands: LL = cA / 2 (haar's is the mean of 2x2 pixels), LH = -cH,
            HL = -cV, HH = 2 cD.
        border: what P and U read outside the map: 'replicate' the edge, or 'zeros'. With 'replicate', LeGall's 5/3 is
            that of PyWavelets in its mode 'reflect' up to the border.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 5,
        variant: str = 'depthwise',
        init: str = 'random',
        border: str = 'replicate',
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ('variant', variant, tuple(VARIANTS)),
            ('border', border, BORDERS),
            ('init', init, ('random', 'zero', *WAVELETS)),
        ):
            if value not in choices:
                raise ValueError(f'{name} must be one of {choices}, got {value!r}')
        check_positive(channels=channels)
        check_windows(kernel_size=kernel_size)
        if init == 'zero' and variant == 'linear':
            raise ValueError(
                "init='zero' sets the 1x1 convolutions, which variant='linear' has none of: choose another init"
            )
        if init in WAVELETS and variant != 'linear':
            raise ValueError(f"init={init!r} needs variant='linear': tanh bends what a wavelet keeps straight")
        if init == 'legall' and kernel_size < 3:
            raise ValueError(f"init='legall' has two taps, kernel_size must be at least 3, got {kernel_size}")
        self.channels = channels
        self.predictor = LiftFilter(channels, kernel_size, variant, border)
        self.updater = LiftFilter(channels, kernel_size, variant, border)
        if init in WAVELETS:
            for lift_filter, (taps, centre) in zip((self.predictor, self.updater), WAVELETS[init]):
                weight = lift_filter.spatial.weight
                nn.init.zeros_(weight)
                first = kernel_size // 2 - centre
                weight.data[..., first : first + len(taps)] = torch.tensor(taps)
        elif init == 'zero':
            nn.init.zeros_(self.predictor.pointwise.weight)
            nn.init.zeros_(self.updater.pointwise.weight)

    def lift(self, feat: Tensor, vertical: bool) -> tuple[Tensor, Tensor, Tensor]:
        """One axis: coarse half, details, and the odd pixels that they were made of."""
        dim = -2 if vertical else -1
        even, odd = _every_second(feat, 0, dim), _every_second(feat, 1, dim)
        if torch.onnx.is_in_onnx_export():  # the same for even and odd sizes
            last = feat.shape[dim] - 1
            odd = feat.index_select(dim, (2 * torch.arange(even.shape[dim], device=feat.device) + 1).clamp(max=last))
        elif odd.shape[dim] < even.shape[dim]:
            odd = torch.cat([odd, even.narrow(dim, -1, 1)], dim=dim)
        detail = odd - self.predictor(even, vertical)
        return even + self.updater(detail, vertical), detail, odd

    def unlift(self, coarse: Tensor, detail: Tensor, vertical: bool, size: int) -> Tensor:
        """Inverse of `lift` on an axis that had `size` pixels."""
        dim = -2 if vertical else -1
        even = coarse - self.updater(detail, vertical)
        odd = detail + self.predictor(even, vertical)
        return torch.stack([even, odd], dim=dim % 4 + 1).flatten(dim % 4, dim % 4 + 1).narrow(dim, 0, size)

    def decompose(self, feat: Tensor) -> tuple[SubBands, list[tuple[Tensor, Tensor, Tensor]]]:
        """[B, C, H, W] -> its sub-bands, and the three lifts that made them."""
        if feat.dim() != 4 or feat.shape[1] != self.channels or 0 in feat.shape[-2:]:
            raise ValueError(f'feat must be a non-empty map [B, {self.channels}, H, W], got shape {tuple(feat.shape)}')
        with without_autocast(feat):
            lifts = [self.lift(feat.to(torch.promote_types(feat.dtype, torch.float32)), vertical=False)]
            lifts += [self.lift(half, vertical=True) for half in lifts[0][:2]]
        (ll, lh, _), (hl, hh, _) = lifts[1:]
        return SubBands(*(band.to(feat.dtype) for band in (ll, lh, hl, hh)), tuple(feat.shape[-2:])), lifts

    def compose(self, bands: SubBands) -> Tensor:
        """Inverse of `decompose`: [B, C, H, W] in the dtype of `bands.ll`."""
        height, width = bands.size
        dtype = torch.promote_types(bands.ll.dtype, torch.float32)
        with without_autocast(bands.ll):
            ll, lh, hl, hh = (band.to(dtype) for band in bands[:4])
            coarse, detail = (self.unlift(*pair, vertical=True, size=height) for pair in ((ll, lh), (hl, hh)))
            return self.unlift(coarse, detail, vertical=False, size=width).to(bands.ll.dtype)


def _every_second(feat: Tensor, first: int, dim: int) -> Tensor:
    return feat[..., first::2] if dim == -1 else feat[..., first::2, :]
