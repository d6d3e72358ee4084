"""From `upsample_cfg=dict(type=..., **options)` to a layer: the one line that a row of a table changes."""

import inspect
from typing import Any

from torch import nn

from .protocol import Fusion, UpsamplerFusion
from .upsamplers.a2u import A2U
from .upsamplers.dysample import DySample
from .upsamplers.fade import FADE
from .upsamplers.fixed_ratio import CARAFE, Deconv, PixelShuffle
from .upsamplers.freqfusion import FreqFusion
from .upsamplers.indexnet import IndexNet
from .upsamplers.interpolation import Bicubic, Bilinear, Nearest
from .upsamplers.resfu import ReSFU
from .upsamplers.sapa import SAPA

#: Every name that `upsample_cfg=dict(type=...)` takes; a class is taken as well.
UPSAMPLERS: dict[str, type[nn.Module]] = {
    'nearest': Nearest,
    'bilinear': Bilinear,
    'bicubic': Bicubic,
    'deconv': Deconv,
    'pixel_shuffle': PixelShuffle,
    'carafe': CARAFE,
    'IndexNet': IndexNet,
    'A2U': A2U,
    'FADE': FADE,
    'SAPA': SAPA,
    'DySample': DySample,
    'FreqFusion': FreqFusion,
    'ReSFU': ReSFU,
}


def build_fusion(cfg: dict[str, Any], lr_channels: int, hr_channels: int) -> Fusion:
    """Build the fusion of a low-resolution map into a high-resolution one.

    Args:
        cfg: `dict(type=NAME_OR_CLASS, **options)`. An upsampler is made a fusion by `UpsamplerFusion`.
        lr_channels, hr_channels: channels of the two maps.

    Raises:
        TypeError: `cfg` is no dict, has no type, or an option that the layer does not know.
        ValueError: unknown type.

    Example:
        >>> build_fusion(dict(type='bilinear'), lr_channels=64, hr_channels=32).any_ratio
        True
    """
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise TypeError(f"upsample_cfg must be a dict with a 'type', e.g. dict(type='FreqFusion'), got {cfg!r}")
    options = dict(cfg)
    kind = options.pop('type')
    if isinstance(kind, str):
        if kind not in UPSAMPLERS:
            raise ValueError(f'unknown upsampler type {kind!r}: choose one of {", ".join(UPSAMPLERS)}, or give a class')
        kind = UPSAMPLERS[kind]
    known = [name for name in inspect.signature(kind).parameters if name not in ('lr_channels', 'hr_channels')]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TypeError(f'{kind.__name__} has no option {", ".join(unknown)}: it takes {", ".join(known)}')
    layer = kind(lr_channels, hr_channels, **options)
    return layer if isinstance(layer, Fusion) else UpsamplerFusion(layer)
