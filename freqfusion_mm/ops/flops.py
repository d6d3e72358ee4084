"""What the operators cost, for the counters of torch, mmengine and fvcore: one formula, in multiply-adds.

torch's `FlopCounterMode` counts two operations a multiply-add, mmengine's and fvcore's analyzers one. Sampling and the
similarities of neighbours count nothing: less than 1 % of FreqFusion, 6 % of SAPA-D. Importing this
module tells torch's counter (`freqfusion_mm.registration` does). `freqfusion_mm.ops` itself does not: the
counter brings 90 MB of torch along.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

from . import reassembly  # noqa: F401  (registers what is counted)
from .library import CAN_REGISTER, NAMESPACE


def reassembly_multiply_adds(channels: int, fine: Sequence[int], taps: int) -> int:
    """Every tap of every channel and output pixel: [N, C, H, W] from windows of `taps` pixels."""
    batch, height, width = fine
    return batch * channels * height * width * taps


def _carafe(features: Sequence[int], masks: Sequence[int], kernel_size: int) -> int:
    return reassembly_multiply_adds(features[1], (masks[0], *masks[-2:]), kernel_size**2)


def _window_similarity(query: Sequence[int], key: Sequence[int], kernel_size: int) -> int:
    return reassembly_multiply_adds(query[1], (query[0], *query[-2:]), kernel_size**2)


def _fns_attention(attn: Sequence[int], value: Sequence[int], kernel_size: int) -> int:
    # (k+1)^2 pixels, and k samples of k split in two along one axis, then along the other
    smear = 2 * kernel_size * kernel_size + 2 * kernel_size * (kernel_size + 1)
    return (
        reassembly_multiply_adds(value[1], (attn[0], *attn[-2:]), (kernel_size + 1) ** 2)
        + prod((attn[0], *attn[-2:])) * smear
    )


#: operator -> multiply-adds of its forward pass, from the shapes of its two maps and the kernel size. The gradient of
#: either map costs as much again.
MULTIPLY_ADDS: dict[str, Callable[[Sequence[int], Sequence[int], int], int]] = {
    'carafe': _carafe,
    'fns_attention': _fns_attention,
    'window_similarity': _window_similarity,
}


def jit_handlers() -> dict[str, Callable[[Sequence[Any], Sequence[Any]], int]]:
    """Handlers for counters that walk over a traced graph: fvcore's and mmengine's `FlopCountAnalysis`,
    `.set_op_handle(**jit_handlers())`.
    """

    def handler(formula: Callable) -> Callable:

        def count(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
            first, second = (value.type().sizes() for value in inputs[:2])
            return formula(first, second, inputs[2].toIValue())

        return count

    return {f'{NAMESPACE}::{name}': handler(formula) for name, formula in MULTIPLY_ADDS.items()}


def _register_with_torch() -> None:
    from torch.utils.flop_counter import register_flop_formula

    operators = getattr(torch.ops, NAMESPACE)
    for name, formula in MULTIPLY_ADDS.items():

        @register_flop_formula(getattr(operators, name))
        def forward(first, second, kernel_size, *options, out_shape=None, formula=formula) -> int:
            return 2 * formula(first, second, kernel_size)

        @register_flop_formula(getattr(operators, f'{name}_backward'))
        def backward(grad, first, second, kernel_size, *options, out_shape=None, formula=formula) -> int:
            return 2 * formula(first, second, kernel_size) * sum(options[-1])


if CAN_REGISTER:
    _register_with_torch()
