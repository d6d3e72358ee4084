"""Fine-neighbour attention on GPUs: local reassembly whose band is smeared by the phase of each fine pixel.

The contract is that of `freqfusion_mm.ops.fns_attention`. The k x k bilinear samples of a fine pixel are one weighted
sum of (k+1) x (k+1) coarse pixels, with the border repeated; the kernels of `reassembly` make those weights from `attn`
where they need them, so that no weight map is written in the forward pass, and none is padded to whole corners.

By arithmetic (x4, k=3, 256 channels, half precision, an H200: 4 TB/s of copy, 495 T multiply-adds/s in products): a
fine pixel moves 512 bytes out, 32 in and 36 of attention, 0.15 ns. A tile of 4 x 16 reads 5 x 8 coarse pixels: a
channel costs 40 products, of which 16 count: 10 thousand multiply-adds, 0.02 ns. What the gradient of the attention
adds to that of a reassembly, `_gather_samples`, reads 64 bytes and writes 36, 0.03 ns; a thread has 1 to 4 pixels with
16 loads each.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..triton.launch import sum_dtype, tuned
from . import triton_reassembly as reassembly
from .reference import wider_dtype
from .triton_windows import phase


def why_not(attn: Tensor, value: Tensor, kernel_size: int) -> str | None:
    """Why the kernels cannot run on these arguments, or None."""
    return reassembly.why_not(value, attn, kernel_size, 1, 'replicate')


def forward(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    """[N, k*k, H, W] and [N, C, h, w] to [N, C, H, W], in the dtype and layout of `value`."""
    return reassembly.reassemble(value, attn, kernel_size, 1, 'replicate', smear=True)


def backward(
    grad: Tensor, attn: Tensor, value: Tensor, kernel_size: int, *, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of `attn` and of `value`, as far as they are needed; of these, whose gradient they are, only shape,
    dtype and layout are used.
    """
    return (
        _grad_attn(grad, attn, value, kernel_size) if needs[0] else None,
        reassembly.gather_features(grad, value, attn, kernel_size, 1, 'replicate', smear=True) if needs[1] else None,
    )


def _grad_attn(grad: Tensor, attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    (n, _, height, width), (h, w) = attn.shape, value.shape[-2:]
    dtype = wider_dtype(attn, value)
    weights = torch.empty(n, (kernel_size + 1) ** 2, height, width, dtype=dtype, device=attn.device)
    reassembly.correlate(grad, value, weights, kernel_size, 1, 'replicate', smear=True)
    result = torch.empty_like(attn)
    with torch.cuda.device_of(attn):
        _gather_samples[lambda config: (triton.cdiv(height * width, config['BLOCK']), n)](
            result,
            weights,
            h,
            w,
            height,
            width,
            *result.stride(),
            *weights.stride(),
            KERNEL=kernel_size,
            SUM=sum_dtype(weights),
        )
    return result


@tuned(
    [triton.Config(dict(BLOCK=block), num_warps=warps) for block, warps in ((256, 4), (128, 4), (512, 4))],
    key=['KERNEL'],
)
@triton.jit(
    do_not_specialize=['h', 'w', 'height', 'width', 'attn_n', 'attn_t', 'attn_y', 'weight_n', 'weight_t', 'weight_y']
)
def _gather_samples(
    attn,
    weights,
    h,
    w,
    height,
    width,
    attn_n,
    attn_t,
    attn_y,
    attn_x,
    weight_n,
    weight_t,
    weight_y,
    weight_x,
    KERNEL: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A sample takes its part of the gradient of the four pixels that its weight was split among."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    is_pixel = pixel < height * width
    y, x = pixel // width, pixel % width
    phase_y, phase_x = phase(y, h, height, SUM), phase(x, w, width, SUM)
    attn += sample * attn_n + y.to(tl.int64) * attn_y + x.to(tl.int64) * attn_x
    weights += sample * weight_n + y.to(tl.int64) * weight_y + x.to(tl.int64) * weight_x
    attn_t, weight_t = attn_t.to(tl.int64), weight_t.to(tl.int64)
    below = (KERNEL + 1) * weight_t
    for i in tl.static_range(KERNEL):
        for j in tl.static_range(KERNEL):
            corner = weights + (i * (KERNEL + 1) + j) * weight_t
            upper = (1 - phase_x) * tl.load(corner, mask=is_pixel, other=0.0)
            upper += phase_x * tl.load(corner + weight_t, mask=is_pixel, other=0.0)
            lower = (1 - phase_x) * tl.load(corner + below, mask=is_pixel, other=0.0)
            lower += phase_x * tl.load(corner + below + weight_t, mask=is_pixel, other=0.0)
            total = (1 - phase_y) * upper + phase_y * lower
            tl.store(attn + (i * KERNEL + j) * attn_t, total.to(attn.dtype.element_ty), mask=is_pixel)
