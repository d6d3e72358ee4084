"""FreqFusion and other learned feature upsamplers for dense prediction.

Importing the package imports nothing but the standard library; `freqfusion_mm.ops` and
`freqfusion_mm.layers` need torch alone, and so do the layers that the package hands on, as in
`from freqfusion_mm import FreqFusion, build_upsampler`; `freqfusion_mm.registration` needs mmengine
and registers every class under its plain name.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .apis.config import config_path

if TYPE_CHECKING:
    from .layers import (
        A2U,
        CARAFE,
        FADE,
        SAPA,
        DySample,
        FreqFusion,
        Fuse,
        IndexNet,
        ReSFU,
        build_fusion,
        build_upsampler,
        register_upsampler,
    )

__version__ = '0.1.0'
__all__ = [
    'A2U',
    'CARAFE',
    'DySample',
    'FADE',
    'FreqFusion',
    'Fuse',
    'IndexNet',
    'ReSFU',
    'SAPA',
    '__version__',
    'build_fusion',
    'build_upsampler',
    'config_path',
    'register_upsampler',
]


def __getattr__(name: str):
    """A layer, once it is asked for."""
    if name in __all__:
        return getattr(import_module('.layers', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
