"""The published methods as plain modules, one a file. Needs torch alone."""

from .build import UPSAMPLERS, build_fusion
from .fixed_ratio import CARAFE, Deconv, FixedRatioUpsampler, PixelShuffle
from .freqfusion import FreqFusion
from .interpolation import Bicubic, Bilinear, Nearest
from .offset_generator import OffsetGenerator
from .protocol import Fusion, Upsampler, UpsamplerFusion, check_pair, interleave_concat, step_sizes
from .reference import ReferenceNames

__all__ = [
    'CARAFE', 'UPSAMPLERS', 'Bicubic', 'Bilinear', 'Deconv', 'FixedRatioUpsampler', 'FreqFusion', 'Fusion', 'Nearest',
    'OffsetGenerator', 'PixelShuffle', 'ReferenceNames', 'Upsampler', 'UpsamplerFusion', 'build_fusion', 'check_pair',
    'interleave_concat', 'step_sizes'
]
