"""The published methods as plain modules, one a file. Needs torch alone."""

from .a2u import A2U
from .blur_pool import BlurPool
from .build import UPSAMPLERS, build_fusion
from .conv_norm_act import ConvNormAct, NormAct
from .dysample import DySample
from .eesp import EESP, EESPDown, eesp_dilations, shrink_image
from .esp import ESP
from .fade import FADE
from .fixed_ratio import CARAFE, Deconv, FixedRatioUpsampler, PixelShuffle
from .freqfusion import FreqFusion
from .gridding import gridding, receptive_energy
from .guided_filter import GuidedFilter
from .hierarchical_fusion import HierarchicalFusion, hierarchical_fusion
from .image_guide import ShallowImageGuide
from .indexnet import IndexNet
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
from .sapa import SAPA

__all__ = [
    'A2U', 'Bicubic', 'Bilinear', 'BlurPool', 'CARAFE', 'ConvNormAct', 'Deconv', 'DepthwisePyramidPool', 'DySample',
    'EESP', 'EESPDown', 'ESP', 'EfficientPyramidPool', 'FADE', 'FixedRatioUpsampler', 'FreqFusion', 'Fusion',
    'GatedSkip', 'GuidedFilter', 'HierarchicalFusion', 'IndexNet', 'LiftDownPool', 'LiftUpPool', 'Lifting',
    'Nearest', 'NormAct', 'OffsetGenerator', 'POOLS', 'PairedDifferenceConv', 'PairedDifferenceSimilarity',
    'PixelShuffle', 'ReSFU', 'ReferenceNames', 'SAPA', 'ShallowImageGuide', 'SubBands', 'UNPOOLS', 'UPSAMPLERS',
    'Upsampler', 'UpsamplerFusion', 'build_fusion', 'build_pool', 'build_unpool', 'check_pair', 'eesp_dilations',
    'gridding', 'hierarchical_fusion', 'interleave_concat', 'receptive_energy', 'shrink_image', 'split',
    'step_sizes'
]
