"""The published methods as plain modules, one a file. Needs torch alone."""

from .blur_pool import BlurPool
from .build import UPSAMPLERS, build_fusion
from .conv_norm_act import ConvNormAct, NormAct
from .eesp import EESP, EESPDown, eesp_dilations, shrink_image
from .esp import ESP
from .fixed_ratio import CARAFE, Deconv, FixedRatioUpsampler, PixelShuffle
from .freqfusion import FreqFusion
from .gridding import gridding, receptive_energy
from .guided_filter import GuidedFilter
from .hierarchical_fusion import HierarchicalFusion, hierarchical_fusion
from .image_guide import ShallowImageGuide
from .interpolation import Bicubic, Bilinear, Nearest
from .lift_pool import LiftDownPool, LiftUpPool
from .lifting import Lifting, SubBands
from .offset_generator import OffsetGenerator
from .paired_difference import PairedDifferenceConv, PairedDifferenceSimilarity
from .pools import POOLS, UNPOOLS, build_pool, build_unpool, split
from .protocol import Fusion, Upsampler, UpsamplerFusion, check_pair, interleave_concat, step_sizes
from .pyramid_pool import DepthwisePyramidPool, EfficientPyramidPool, GatedSkip
from .reference import ReferenceNames
from .resfu import ReSFU

__all__ = [
    'Bicubic', 'Bilinear', 'BlurPool', 'CARAFE', 'ConvNormAct', 'Deconv', 'DepthwisePyramidPool', 'EESP',
    'EESPDown', 'ESP', 'EfficientPyramidPool', 'FixedRatioUpsampler', 'FreqFusion', 'Fusion', 'GatedSkip',
    'GuidedFilter', 'HierarchicalFusion', 'LiftDownPool', 'LiftUpPool', 'Lifting', 'Nearest', 'NormAct',
    'OffsetGenerator', 'POOLS', 'PairedDifferenceConv', 'PairedDifferenceSimilarity', 'PixelShuffle', 'ReSFU',
    'ReferenceNames', 'ShallowImageGuide', 'SubBands', 'UNPOOLS', 'UPSAMPLERS', 'Upsampler', 'UpsamplerFusion',
    'build_fusion', 'build_pool', 'build_unpool', 'check_pair', 'eesp_dilations', 'gridding',
    'hierarchical_fusion', 'interleave_concat', 'receptive_energy', 'shrink_image', 'split', 'step_sizes'
]
