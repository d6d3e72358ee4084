"""GPU kernels of the operators, written in Triton, which comes with the CUDA builds of torch.

This package holds what all of them share; the kernels of a family lie beside its definition, in `triton_*.py`: modules
with the functions of a `dispatch.Implementation`. Nothing imports triton before `Kernels` is asked for one of those on
a GPU. They check no shapes: the doors in `freqfusion_mm.ops` do. Every number is gathered by one program, no atomics,
so that a process repeats itself; another may choose another configuration, by time, whose sums are in another order.
"""

import os
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import torch
from torch import Tensor

#: Triton's interpreter runs the kernels on a CPU, for tests. It reads this variable once, when triton is imported.
INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'

#: Distributions that bring the module `triton`: torch's own, that of its nightly builds, and that for Windows.
_NAMES = ('triton', 'pytorch-triton', 'triton-windows')
_OLDEST = (3, 5)
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Kernels:
    """A module of kernels, imported where there is a Triton to import it with.

    Args:
        name: `freqfusion_mm.ops.<name>`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def module(self) -> ModuleType:
        return import_module(f'..{self.name}', __package__)

    def why_not(self, *args) -> str | None:
        """Why the kernels cannot run on these arguments, the first of which is a tensor, or None."""
        return missing() or _unfit(args[0].device) or self.module.why_not(*args)

    def forward(self, *args) -> Tensor:
        return self.module.forward(*args)

    def backward(self, *args, **options) -> Sequence[Tensor | None] | Tensor:
        return self.module.backward(*args, **options)


def why_not(*tensors: Tensor) -> str | None:
    """Why no kernel of this package can run on these tensors, or None. Only on a GPU that is fit it imports triton.

    Example:
        >>> why_not(torch.zeros(1, dtype=torch.int64)) is None
        False
    """
    reason = missing()
    if reason is not None:
        return reason
    for tensor in tensors:
        if tensor.dtype not in _DTYPES:
            return f'the Triton kernels take float16, bfloat16, float32 and float64, not {tensor.dtype}'
        if tensor.numel() == 0:
            return 'the Triton kernels take no empty tensors'
        reason = _unfit(tensor.device)
        if reason is not None:
            return reason
    return None


@lru_cache
def missing() -> str | None:
    """Why there is no Triton to speak of, or None. Imports no triton."""
    for name in _NAMES:
        try:
            found = version(name)
            break
        except PackageNotFoundError:
            continue
    else:
        return 'triton is not installed (it comes with the CUDA builds of torch for Linux)'
    if tuple(map(int, re.findall(r'\d+', found)[:2])) < _OLDEST:
        return f'triton {found} is older than {".".join(map(str, _OLDEST))}: use a torch from 2.9 on'
    return None


def _unfit(device: torch.device) -> str | None:
    return None if INTERPRETED else _unfit_to_compile(device)


@lru_cache
def _unfit_to_compile(device: torch.device) -> str | None:
    if device.type != 'cuda' or torch.version.hip is not None:
        return f'the Triton kernels run on NVIDIA GPUs, not on {"an AMD GPU" if device.type == "cuda" else device}'
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        return (
            'the Triton kernels need a GPU of compute capability 8.0 or newer, '
            f'{device} has {".".join(map(str, capability))}'
        )
    return _no_launcher()


@lru_cache
def _no_launcher() -> str | None:
    """Why Triton cannot start a kernel, or None: first of all it compiles C, and containers may lack a compiler."""
    import triton

    try:
        getattr(triton.runtime.driver.active, 'utils', None)  # compiles it
    except Exception as error:  # of whatever kind its compiler, linker or loader raises
        words = ' '.join(str(error).split())[:300]
        why = f'{type(error).__name__}: {words}'
        return f'Triton cannot compile its launcher ({why}): it wants gcc and the headers of Python'
    return None
