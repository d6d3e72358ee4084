"""Operators without parameters. Needs torch alone.

Every operator is one function, its door, in the file of its name, with the contract; a family's definitions
(`reference.py`), its ways on CPUs and its Triton kernels lie beside it. `dispatch.py` picks among them.
"""

from .box_mean import box_mean
from .dispatch import implementation
from .grid import resize_nearest, source_index
from .kernels import hamming_window, normalize_kernels
from .reassembly import carafe, fns_attention, window_similarity
from .similarity import neighbour_similarity

__all__ = [
    'box_mean',
    'carafe',
    'fns_attention',
    'hamming_window',
    'implementation',
    'neighbour_similarity',
    'normalize_kernels',
    'resize_nearest',
    'source_index',
    'window_similarity',
]
