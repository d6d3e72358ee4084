"""Softmax times window over the taps of each kernel, on GPUs: one read, one write.

The contract is that of `freqfusion_mm.ops.normalize_kernels`. A program holds all taps of some pixels, so logits are
read once, along the pixels or along the channels, whichever of them lie side by side in memory.

By arithmetic (k=5, half precision, an H200: 4 TB/s of copy, 33 T multiply-adds/s on the plain cores): a pixel reads 50
bytes and writes 100, the kernels being float32, 0.04 ns; about six operations a tap are 0.005 ns. The backward pass
reads 200 bytes and writes 50, 0.06 ns. So bytes decide, and the configurations keep loads in flight: 32 lanes of taps
times 64, 32 and 128 pixels are 16, 32 and 32 values a thread, a few maps of which fit into its registers.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..library import empty_map
from ..triton import why_not as why_not_here
from ..triton.launch import sum_dtype, tuned

_CONFIGS = [triton.Config(dict(BLOCK=block), num_warps=warps) for block, warps in ((64, 4), (32, 1), (128, 4))]
_SIZES = ['height', 'width', 'groups', 'logit_n', 'logit_y', 'kernel_n', 'kernel_y']


def why_not(logits: Tensor, kernel_size: int, window: Tensor | None = None) -> str | None:
    """Why the kernels cannot run on these arguments, or None."""
    if kernel_size > 15:
        return f'the Triton kernel holds all taps of a pixel at once: kernel_size up to 15, got {kernel_size}'
    if logits.shape[0] * logits.shape[1] // kernel_size**2 > 65535:
        return 'the Triton kernel takes at most 65535 samples times groups'
    return why_not_here(logits, *[window] * (window is not None))


def forward(logits: Tensor, kernel_size: int, window: Tensor | None = None) -> Tensor:
    """[N, G * k*k, H, W] to kernels of that shape and layout, at least float32."""
    n, channels, height, width = logits.shape
    taps = kernel_size**2
    kernels = empty_map(logits, logits.shape, torch.promote_types(logits.dtype, torch.float32))
    if window is not None:
        window = window.contiguous()
    with torch.cuda.device_of(logits):
        _normalize[_grid(n * channels // taps, height * width)](
            logits,
            logits if window is None else window,
            kernels,
            height,
            width,
            channels // taps,
            *logits.stride(),
            *kernels.stride(),
            TAPS=taps,
            LANES=triton.next_power_of_2(taps),
            WINDOWED=window is not None,
            SUM=sum_dtype(logits),
        )
    return kernels


def backward(grad: Tensor, kernels: Tensor, dtype: torch.dtype, kernel_size: int) -> Tensor:
    """Gradient of logits that had `dtype`, in the layout of `kernels`; these are the output, `grad` its gradient."""
    n, channels, height, width = kernels.shape
    taps = kernel_size**2
    result = torch.empty_like(kernels, dtype=dtype)
    with torch.cuda.device_of(kernels):
        _grad_logits[_grid(n * channels // taps, height * width)](
            result,
            kernels,
            grad,
            height,
            width,
            channels // taps,
            *result.stride(),
            *kernels.stride(),
            *grad.stride(),
            TAPS=taps,
            LANES=triton.next_power_of_2(taps),
            SUM=sum_dtype(kernels),
        )
    return result


def _grid(rows: int, pixels: int):
    return lambda config: (triton.cdiv(pixels, config['BLOCK']), rows)


@triton.jit
def _offsets(pixel, lane, width, groups, TAPS: tl.constexpr, stride_n, stride_t, stride_y, stride_x):
    """Offsets [taps, pixels] of the kernels of the program's sample and group."""
    row = tl.program_id(1)
    start = (row // groups).to(tl.int64) * stride_n
    channel = (row % groups * TAPS + lane).to(tl.int64) * stride_t
    place = (pixel // width).to(tl.int64) * stride_y + (pixel % width).to(tl.int64) * stride_x
    return start + channel[:, None] + place[None, :]


@tuned(_CONFIGS, key=['TAPS'])
@triton.jit(do_not_specialize=_SIZES)
def _normalize(
    logits,
    window,
    kernels,
    height,
    width,
    groups,
    logit_n,
    logit_t,
    logit_y,
    logit_x,
    kernel_n,
    kernel_t,
    kernel_y,
    kernel_x,
    TAPS: tl.constexpr,
    LANES: tl.constexpr,
    WINDOWED: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK: tl.constexpr,
):
    pixel, lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, LANES)
    valid = (lane < TAPS)[:, None] & (pixel < height * width)[None, :]
    z = tl.load(
        logits + _offsets(pixel, lane, width, groups, TAPS, logit_n, logit_t, logit_y, logit_x), mask=valid, other=0.0
    ).to(SUM)
    if WINDOWED:
        z += tl.log(tl.load(window + lane, mask=lane < TAPS, other=1.0).to(SUM))[:, None]
    z = tl.where((lane < TAPS)[:, None], z, float('-inf'))
    weights = tl.exp(z - tl.max(z, axis=0)[None, :])
    weights = weights / tl.sum(weights, axis=0)[None, :]
    tl.store(
        kernels + _offsets(pixel, lane, width, groups, TAPS, kernel_n, kernel_t, kernel_y, kernel_x),
        weights,
        mask=valid,
    )


@tuned(_CONFIGS, key=['TAPS'])
@triton.jit(do_not_specialize=_SIZES + ['grad_n', 'grad_y'])
def _grad_logits(
    logits,
    kernels,
    grads,
    height,
    width,
    groups,
    logit_n,
    logit_t,
    logit_y,
    logit_x,
    kernel_n,
    kernel_t,
    kernel_y,
    kernel_x,
    grad_n,
    grad_t,
    grad_y,
    grad_x,
    TAPS: tl.constexpr,
    LANES: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """`logits` is the gradient that is written: `p * (g - sum(p * g))`."""
    pixel, lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, LANES)
    valid = (lane < TAPS)[:, None] & (pixel < height * width)[None, :]
    p = tl.load(
        kernels + _offsets(pixel, lane, width, groups, TAPS, kernel_n, kernel_t, kernel_y, kernel_x),
        mask=valid,
        other=0.0,
    ).to(SUM)
    g = tl.load(
        grads + _offsets(pixel, lane, width, groups, TAPS, grad_n, grad_t, grad_y, grad_x), mask=valid, other=0.0
    ).to(SUM)
    result = p * (g - tl.sum(p * g, axis=0)[None, :])
    tl.store(
        logits + _offsets(pixel, lane, width, groups, TAPS, logit_n, logit_t, logit_y, logit_x),
        result.to(logits.dtype.element_ty),
        mask=valid,
    )
