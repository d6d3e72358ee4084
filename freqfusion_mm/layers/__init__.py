"""The published methods as plain modules, one a file. Needs torch alone."""

from .external import ExternalUpsampler
from .fuse import Fuse
from .hierarchical.conv_norm_act import ConvNormAct, NormAct
from .hierarchical.eesp import EESP, EESPDown, eesp_dilations, shrink_image
from .hierarchical.esp import ESP
from .hierarchical.hierarchical_fusion import HierarchicalFusion, hierarchical_fusion
from .hierarchical.pyramid_pool import DepthwisePyramidPool, EfficientPyramidPool, GatedSkip
from .image_guide import ShallowImageGuide
from .inside import Inside
from .pooling.blur_pool import BlurPool
from .pooling.carafe_pool import CARAFEPool
from .pooling.lift_pool import LiftDownPool, LiftUpPool
from .pooling.lifting import Lifting, SubBands
from .pooling.pools import POOLS, UNPOOLS, build_pool, build_unpool, split
from .protocol import Fusion, GuidedUpsampler, Upsampler, UpsamplerFusion, check_pair, interleave_concat, step_sizes
from .reference import ReferenceNames
from .registry import (
    UPSAMPLERS,
    build_fusion,
    build_upsampler,
    find_upsampler,
    option_names,
    read_upsample_cfg,
    register_upsampler,
)
from .upsamplers.a2u import A2U
from .upsamplers.carafe import CARAFE
from .upsamplers.deconv import Deconv
from .upsamplers.dysample import DySample
from .upsamplers.fade import FADE
from .upsamplers.fixed_ratio import FixedRatioUpsampler
from .upsamplers.freqfusion import FreqFusion
from .upsamplers.guided_filter import GuidedFilter
from .upsamplers.indexnet import IndexNet
from .upsamplers.interpolation import Bicubic, Bilinear, Nearest
from .upsamplers.offset_generator import OffsetGenerator
from .upsamplers.paired_difference import PairedDifferenceConv, PairedDifferenceSimilarity
from .upsamplers.pixel_shuffle import PixelShuffle
from .upsamplers.resfu import ReSFU
from .upsamplers.sapa import SAPA
from .upsamplers.sapa_deform import SAPADeform

__all__ = [
    'A2U',
    'Bicubic',
    'Bilinear',
    'BlurPool',
    'CARAFE',
    'CARAFEPool',
    'ConvNormAct',
    'Deconv',
    'DepthwisePyramidPool',
    'DySample',
    'EESP',
    'EESPDown',
    'ESP',
    'EfficientPyramidPool',
    'ExternalUpsampler',
    'FADE',
    'FixedRatioUpsampler',
    'FreqFusion',
    'Fuse',
    'Fusion',
    'GatedSkip',
    'GuidedFilter',
    'GuidedUpsampler',
    'HierarchicalFusion',
    'IndexNet',
    'Inside',
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
    'SAPADeform',
    'ShallowImageGuide',
    'SubBands',
    'UNPOOLS',
    'UPSAMPLERS',
    'Upsampler',
    'UpsamplerFusion',
    'build_fusion',
    'build_pool',
    'build_unpool',
    'build_upsampler',
    'check_pair',
    'eesp_dilations',
    'find_upsampler',
    'hierarchical_fusion',
    'interleave_concat',
    'option_names',
    'read_upsample_cfg',
    'register_upsampler',
    'shrink_image',
    'split',
    'step_sizes',
]
