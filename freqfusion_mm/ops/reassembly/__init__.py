"""Weighted sums over windows of a coarse map, and what is computed alike.

The contract and the door of an operator lie in the file of its name, the definitions of all three in `reference.py`;
`matmul.py` and `shifted.py` compute them on CPUs, `triton_*.py` on GPUs.
"""

from .carafe import carafe
from .fns_attention import fns_attention
from .window_similarity import window_similarity

__all__ = ['carafe', 'fns_attention', 'window_similarity']
