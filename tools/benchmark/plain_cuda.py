"""CARAFE as a few lines of CUDA, one thread a value: what a user would write, and what ours is measured against."""

from functools import cache

import torch
from torch import Tensor

KERNELS = r"""
// Each thread computes one value. Zeros outside the map, one group of channels, whole ratios.
template <typename T>
__global__ void carafe_forward(const T* x, const T* masks, T* out, long total, int C, int h, int w, int s, int k) {
  long index = blockIdx.x * (long)blockDim.x + threadIdx.x;
  if (index >= total) return;
  int W = w * s, H = h * s, X = index % W, Y = index / W % H, c = index / ((long)W * H) % C, r = k / 2;
  long n = index / ((long)W * H * C);
  float sum = 0;
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < k; ++j) {
      int y = Y / s + i - r, xx = X / s + j - r;
      if (y >= 0 && y < h && xx >= 0 && xx < w)
        sum += (float)masks[((n * k * k + i * k + j) * H + Y) * W + X] * (float)x[((n * C + c) * h + y) * w + xx];
    }
  out[index] = (T)sum;
}

template <typename T>
__global__ void carafe_grad_x(const T* grad, const T* masks, T* out, long total, int C, int h, int w, int s, int k) {
  long index = blockIdx.x * (long)blockDim.x + threadIdx.x;
  if (index >= total) return;
  int W = w * s, H = h * s, x = index % w, y = index / w % h, c = index / ((long)w * h) % C, r = k / 2;
  long n = index / ((long)w * h * C);
  float sum = 0;
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < k; ++j) {
      int yy = y - i + r, xx = x - j + r;
      if (yy < 0 || yy >= h || xx < 0 || xx >= w) continue;
      for (int Y = yy * s; Y < yy * s + s; ++Y)
        for (int X = xx * s; X < xx * s + s; ++X)
          sum += (float)masks[((n * k * k + i * k + j) * H + Y) * W + X] * (float)grad[((n * C + c) * H + Y) * W + X];
    }
  out[index] = (T)sum;
}

template <typename T>
__global__ void carafe_grad_masks(const T* grad, const T* x, T* out, long total, int C, int h, int w, int s, int k) {
  long index = blockIdx.x * (long)blockDim.x + threadIdx.x;
  if (index >= total) return;
  int W = w * s, H = h * s, X = index % W, Y = index / W % H, tap = index / ((long)W * H) % (k * k), r = k / 2;
  long n = index / ((long)W * H * k * k);
  int y = Y / s + tap / k - r, xx = X / s + tap % k - r;
  float sum = 0;
  if (y >= 0 && y < h && xx >= 0 && xx < w)
    for (int c = 0; c < C; ++c)
      sum += (float)grad[((n * C + c) * H + Y) * W + X] * (float)x[((n * C + c) * h + y) * w + xx];
  out[index] = (T)sum;
}
"""

_DOOR = r"""
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/extension.h>

#define RUN(kernel, left, right, out)                                                                                 \
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, out.scalar_type(), #kernel, [&] {                         \
    long total = out.numel();                                                                                         \
    kernel<scalar_t><<<(total + 255) / 256, 256, 0, c10::cuda::getCurrentCUDAStream()>>>(                              \
        left.data_ptr<scalar_t>(), right.data_ptr<scalar_t>(), out.data_ptr<scalar_t>(), total, C, h, w, s, k);       \
  });                                                                                                                 \
  C10_CUDA_KERNEL_LAUNCH_CHECK()

torch::Tensor forward(torch::Tensor x, torch::Tensor masks, int k) {
  int C = x.size(1), h = x.size(2), w = x.size(3), s = masks.size(2) / h;
  auto out = torch::empty({x.size(0), C, masks.size(2), masks.size(3)}, x.options());
  RUN(carafe_forward, x, masks, out);
  return out;
}

std::vector<torch::Tensor> backward(torch::Tensor grad, torch::Tensor x, torch::Tensor masks, int k) {
  int C = x.size(1), h = x.size(2), w = x.size(3), s = masks.size(2) / h;
  auto grad_x = torch::empty_like(x), grad_masks = torch::empty_like(masks);
  RUN(carafe_grad_x, grad, masks, grad_x);
  RUN(carafe_grad_masks, grad, x, grad_masks);
  return {grad_x, grad_masks};
}
"""

_DECLARATIONS = """
torch::Tensor forward(torch::Tensor x, torch::Tensor masks, int k);
std::vector<torch::Tensor> backward(torch::Tensor grad, torch::Tensor x, torch::Tensor masks, int k);
"""


@cache
def compiled():
    """The module with `forward` and `backward`; a minute of nvcc the first time, kept in torch's folder of extensions.

    Raises:
        RuntimeError, OSError: there is no nvcc or no device, or it does not compile.
    """
    from torch.utils.cpp_extension import load_inline

    if not torch.cuda.is_available():
        raise RuntimeError('torch sees no CUDA device to compile for')
    return load_inline(
        'freqfusion_mm_plain_carafe',
        cpp_sources=_DECLARATIONS,
        cuda_sources=KERNELS + _DOOR,
        functions=['forward', 'backward'],
        extra_cuda_cflags=['-O3'],
    )


class _Carafe(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, masks, kernel_size):
        features, masks = features.contiguous(), masks.contiguous()
        ctx.save_for_backward(features, masks)
        ctx.kernel_size = kernel_size
        return compiled().forward(features, masks, kernel_size)

    @staticmethod
    def backward(ctx, grad):
        return (*compiled().backward(grad.contiguous(), *ctx.saved_tensors, ctx.kernel_size), None)


def carafe(features: Tensor, masks: Tensor, kernel_size: int, groups: int = 1, padding: str = 'zeros') -> Tensor:
    """The operator's definition for whole ratios, one group and zeros outside."""
    ratios = {fine / coarse for coarse, fine in zip(features.shape[-2:], masks.shape[-2:])}
    if groups != 1 or padding != 'zeros' or len(ratios) != 1 or not next(iter(ratios)).is_integer():
        raise ValueError(f'the plain kernel knows one group, zeros outside and whole ratios, got {groups}, {padding}')
    return _Carafe.apply(features, masks, kernel_size)
