"""The published methods as plain modules, one a file. Needs torch alone."""

from ..evaluation.analysis.gridding import gridding, receptive_energy
from .build import UPSAMPLERS, build_fusion
from .hierarchical.conv_norm_act import ConvNormAct, NormAct
from .hierarchical.eesp import EESP, EESPDown, eesp_dilations, shrink_image
from .hierarchical.esp import ESP
from .hierarchical.hierarchical_fusion import HierarchicalFusion, hierarchical_fusion
from .hierarchical.pyramid_pool import DepthwisePyramidPool, EfficientPyramidPool, GatedSkip
from .image_guide import ShallowImageGuide
from .pooling.blur_pool import BlurPool
from .pooling.lift_pool import LiftDownPool, LiftUpPool
from .pooling.lifting import Lifting, SubBands
from .pooling.pools import POOLS, UNPOOLS, build_pool, build_unpool, split
from .protocol import Fusion, Upsampler, UpsamplerFusion, check_pair, interleave_concat, step_sizes
from .reference import ReferenceNames
from .upsamplers.a2u import A2U
from .upsamplers.dysample import DySample
from .upsamplers.fade import FADE
from .upsamplers.fixed_ratio import CARAFE, Deconv, FixedRatioUpsampler, PixelShuffle
from .upsamplers.freqfusion import FreqFusion
from .upsamplers.guided_filter import GuidedFilter
from .upsamplers.indexnet import IndexNet
from .upsamplers.interpolation import Bicubic, Bilinear, Nearest
from .upsamplers.offset_generator import OffsetGenerator
from .upsamplers.paired_difference import PairedDifferenceConv, PairedDifferenceSimilarity
from .upsamplers.resfu import ReSFU
from .upsamplers.sapa import SAPA

__all__ = [
    'A2U',
    'Bicubic',
    'Bilinear',
    'BlurPool',
    'CARAFE',
    'ConvNormAct',
    'Deconv',
    'DepthwisePyramidPool',
    'DySample',
    'EESP',
    'EESPDown',
    'ESP',
    'EfficientPyramidPool',
    'FADE',
    'FixedRatioUpsampler',
    'FreqFusion',
    'Fusion',
    'GatedSkip',
    'GuidedFilter',
    'HierarchicalFusion',
    'IndexNet',
    'LiftDownPool',
    'LiftUpPool',
    'Lifting',
    'Nearest',
    'NormAct',
    'OffsetGenerator',
    'POOLS',
    'PairedDifferenceConv',
    'PairedDifferenceSimilarity',
    'PixelShuffle',
    'ReSFU',
    'ReferenceNames',
    'SAPA',
    'ShallowImageGuide',
    'SubBands',
    'UNPOOLS',
    'UPSAMPLERS',
    'Upsampler',
    'UpsamplerFusion',
    'build_fusion',
    'build_pool',
    'build_unpool',
    'check_pair',
    'eesp_dilations',
    'gridding',
    'hierarchical_fusion',
    'interleave_concat',
    'receptive_energy',
    'shrink_image',
    'split',
    'step_sizes',
]
