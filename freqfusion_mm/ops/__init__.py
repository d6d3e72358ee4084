"""Operators without parameters. Needs torch alone."""

from .box_mean import box_mean
from .grid import resize_nearest, source_index
from .kernels.normalize_kernels import hamming_window, normalize_kernels
from .reassembly.carafe import carafe
from .reassembly.fns_attention import fns_attention
from .reassembly.window_similarity import window_similarity
from .similarity.neighbour_similarity import neighbour_similarity

__all__ = [
    'box_mean',
    'carafe',
    'fns_attention',
    'hamming_window',
    'neighbour_similarity',
    'normalize_kernels',
    'resize_nearest',
    'source_index',
    'window_similarity',
]
