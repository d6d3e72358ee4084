"""Operators without parameters. Needs torch alone."""

from .box_mean import box_mean
from .carafe import carafe
from .fns_attention import fns_attention
from .grid import resize_nearest, source_index
from .neighbour_similarity import neighbour_similarity
from .normalize_kernels import hamming_window, normalize_kernels
from .window_similarity import window_similarity

__all__ = [
    'box_mean', 'carafe', 'fns_attention', 'hamming_window', 'neighbour_similarity', 'normalize_kernels',
    'resize_nearest', 'source_index', 'window_similarity'
]
