"""What is checked: every operator and layer, with maps for it, in float64 on the CPU."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from freqfusion_mm import ops
from freqfusion_mm.layers import UPSAMPLERS, build_upsampler
from tools.benchmark import unfold_formulation

Sizes = tuple[int, tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Subject:
    """An operator or a layer.

    Args:
        name: of the operator or layer, and what tells cases of one apart.
        kind: 'op' or 'layer'.
        make: the module and its maps for a batch, (h, w) and (H, W).
        options: what the failure report prints beside the maps.
        plain: how users write the operators: what the error is compared with.
    """

    name: str
    kind: str
    make: Callable[[Sizes], tuple[nn.Module, list[Tensor]]]
    options: Mapping[str, object]
    plain: str | Mapping[str, Callable] = 'reference'


class Operation(nn.Module):
    """An operator as a module, without parameters."""

    def __init__(self, name: str, **options) -> None:
        super().__init__()
        self.operator = getattr(ops, name)
        self.options = options

    def forward(self, *maps: Tensor) -> Tensor:
        return self.operator(*maps, **self.options)


def _op(name: str, maps: Callable[[Sizes], list[Tensor]], case: str = '', plain: bool = True, **options) -> Subject:
    return Subject(
        f'{name} {case}'.strip(),
        'op',
        lambda sizes: (Operation(name, **options), maps(sizes)),
        options,
        unfold_formulation.OPS if plain else 'reference',
    )


def _layer(name: str, channels: int, **options) -> Subject:
    lr_channels, hr_channels = channels, channels // 2

    def make(sizes: Sizes) -> tuple[nn.Module, list[Tensor]]:
        batch, coarse, fine = sizes
        layer = build_upsampler(dict(type=name, **options), lr_channels, hr_channels)
        with torch.no_grad():  # as initialised, many an upsampler is bilinear interpolation
            for parameter in layer.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        return layer, [torch.randn(batch, lr_channels, *coarse), torch.randn(batch, hr_channels, *fine)]

    return Subject(f'layer {UPSAMPLERS[name].__name__}', 'layer', make, options, unfold_formulation.OPS)


def subjects(channels: int) -> list[Subject]:
    """All of them, with so many channels, a multiple of 8."""
    operators = [
        _op(
            'carafe',
            lambda s: [torch.randn(s[0], channels, *s[1]), torch.randn(s[0], 25, *s[2]).softmax(dim=1)],
            kernel_size=5,
        ),
        _op(
            'carafe',
            lambda s: [torch.randn(s[0], channels, *s[1]), torch.randn(s[0], 18, *s[2]).softmax(dim=1)],
            'mirrored, in groups',
            plain=False,
            kernel_size=3,
            groups=2,
            padding='reflect',
        ),
        _op(
            'fns_attention',
            lambda s: [torch.randn(s[0], 9, *s[2]).softmax(dim=1), torch.randn(s[0], channels, *s[1])],
            kernel_size=3,
        ),
        _op(
            'window_similarity',
            lambda s: [torch.randn(s[0], channels, *s[2]), torch.randn(s[0], channels, *s[1])],
            kernel_size=5,
        ),
        _op('normalize_kernels', lambda s: [torch.randn(s[0], 50, *s[2])], kernel_size=5),
        _op('neighbour_similarity', lambda s: [torch.randn(s[0], channels, *s[2])], dilation=2),
        _op('box_mean', lambda s: [torch.randn(s[0], channels, *s[2])], radius=2),
    ]
    small = dict(FreqFusion=8, ReSFU=8, carafe=8, FADE=8, SAPA=8)
    layers = [
        _layer(name, channels, **(dict(compressed_channels=small[name]) if name in small else {}))
        for name in UPSAMPLERS
        if name not in ('nearest', 'bilinear', 'bicubic')
    ]
    return operators + layers


#: name -> a layout of a map of these values.
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    'contiguous': lambda map_: map_.contiguous(),
    'channels last': lambda map_: map_.contiguous(memory_format=torch.channels_last),
    'not contiguous': lambda map_: _inside(map_),
}


def _inside(map_: Tensor) -> Tensor:
    """A view into a larger map whose rows and columns are swapped."""
    n, c, height, width = map_.shape
    larger = map_.new_zeros(n, c + 1, width + 3, height + 2).transpose(2, 3)
    view = larger[:, 1:, 1 : height + 1, 2 : width + 2]
    return view.copy_(map_)
