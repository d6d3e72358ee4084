"""What the launches of all kernels share: configurations, dtypes and the layout of results."""

from collections.abc import Callable, Sequence
from functools import reduce

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import INTERPRETED

_TRITON_DTYPES = {
    torch.float16: tl.float16,
    torch.bfloat16: tl.bfloat16,
    torch.float32: tl.float32,
    torch.float64: tl.float64,
}


def tuned(configs: Sequence[triton.Config], key: Sequence[str]) -> Callable:
    """`triton.autotune`, on the first launch for a key, kept for the process; the interpreter cannot measure and takes
    the first configuration. A few configurations do, chosen by the arithmetic in the kernels' files.

    The configurations of one kernel cut the work differently, and hardly ever the sums: which one a machine prefers is
    not seen in the numbers beyond the order in which its instructions add.
    """
    return triton.autotune(list(configs[:1] if INTERPRETED else configs), key=list(key))


def sum_dtype(*tensors: Tensor) -> tl.dtype:
    """What sums are kept in: float32, or float64 where an input has it."""
    return tl.float64 if torch.float64 in [tensor.dtype for tensor in tensors] else tl.float32


def product_dtype(*dtypes: torch.dtype) -> tl.dtype:
    """What matrix products multiply: the widest dtype of the factors."""
    dtype = reduce(torch.promote_types, dtypes)
    if INTERPRETED and dtype == torch.bfloat16:
        dtype = torch.float32  # the interpreter keeps bfloat16 as integers, and would multiply those
    return _TRITON_DTYPES[dtype]


def index_dtype(*tensors: Tensor) -> tl.dtype:
    """What places within one sample are counted in: int64 costs registers, and is kept for maps that need it."""
    extents = [
        sum((size - 1) * stride for size, stride in zip(tensor.shape[1:], tensor.stride()[1:])) for tensor in tensors
    ]
    return tl.int64 if max(extents) >= 2**31 else tl.int32
