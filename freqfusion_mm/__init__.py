"""FreqFusion and other learned feature upsamplers for dense prediction.

Importing the package imports nothing but the standard library; `freqfusion_mm.ops` and
`freqfusion_mm.layers` need torch alone; `freqfusion_mm.registration` needs mmengine and registers
every class under its plain name.
"""

from .apis.config import config_path

__version__ = '0.1.0'
__all__ = ['__version__', 'config_path']
