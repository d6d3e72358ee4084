"""Every registered upsampler, in a size for tests. One that is new is here by itself, with its defaults."""

from freqfusion_mm.layers import UPSAMPLERS

_SMALL = {
    'carafe': dict(compressed_channels=8),
    'FADE': dict(compressed_channels=8),
    'SAPA': dict(compressed_channels=8),
    'SAPA-D': dict(compressed_channels=8, points=3),
    'FreqFusion': dict(compressed_channels=8),
    'ReSFU': dict(compressed_channels=8, mid_channels=16, norm_groups=4),
}
#: name -> `upsample_cfg`.
CFGS = {name: dict(type=name, **_SMALL.get(name, {})) for name in UPSAMPLERS}
