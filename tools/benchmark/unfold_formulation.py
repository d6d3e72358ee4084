"""The baselines: the ops of the package as users write them from unfold, interpolate and grid_sample.

Values and gradients are those of the package; what differs is time and memory. A layer under measurement is the
package's own module while `ops.implementation(OPS)` puts these in the place of its operators; the convolutions and
norms are shared.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from freqfusion_mm.ops import resize_nearest


def carafe(features: Tensor, masks: Tensor, kernel_size: int, groups: int = 1, padding: str = 'zeros') -> Tensor:
    """Every window unfolded, repeated for every fine pixel that reads it, multiplied and summed."""
    if padding != 'zeros':
        raise ValueError(f"the baseline knows padding='zeros' alone, got {padding!r}")
    n, c, h, w = features.shape
    height, width = masks.shape[-2:]
    windows = F.unfold(features, kernel_size, padding=kernel_size // 2).view(n, c * kernel_size**2, h, w)
    windows = resize_nearest(windows, (height, width)).view(n, groups, c // groups, kernel_size**2, height, width)
    return (windows * masks.view(n, groups, 1, kernel_size**2, height, width)).sum(dim=3).view(n, c, height, width)


def window_similarity(query: Tensor, key: Tensor, kernel_size: int, padding: str = 'zeros') -> Tensor:
    """Every window unfolded, repeated for every fine pixel that reads it, multiplied and summed over the channels."""
    if padding != 'zeros':
        raise ValueError(f"the baseline knows padding='zeros' alone, got {padding!r}")
    n, c, h, w = key.shape
    windows = F.unfold(key, kernel_size, padding=kernel_size // 2).view(n, c * kernel_size**2, h, w)
    windows = resize_nearest(windows, query.shape[-2:]).view(n, c, kernel_size**2, *query.shape[-2:])
    return (windows * query[:, :, None]).sum(dim=1)


def normalize_kernels(logits: Tensor, kernel_size: int, window: Tensor | None = None) -> Tensor:
    """Softmax, times the window, divided by the sum."""
    kernels = logits.unflatten(1, (-1, kernel_size**2)).softmax(dim=2)
    if window is not None:
        kernels = kernels * window.to(kernels.dtype).view(-1, 1, 1)
        kernels = kernels / kernels.sum(dim=2, keepdim=True)
    return kernels.flatten(1, 2)


def neighbour_similarity(features: Tensor, dilation: int = 2) -> Tensor:
    """The nine neighbours unfolded, and their cosine to the middle one."""
    n, c, height, width = features.shape
    windows = F.unfold(features, 3, dilation=dilation, padding=dilation).view(n, c, 9, height, width)
    similarity = F.cosine_similarity(windows, windows[:, :, 4:5], dim=1)
    return torch.cat([similarity[:, :4], similarity[:, 5:]], dim=1)


def fns_attention(attn: Tensor, value: Tensor, kernel_size: int) -> Tensor:
    """All k*k bilinear samples by one grid_sample, multiplied and summed."""
    attn = attn.to(value.dtype)
    (n, _, height, width), (h, w) = attn.shape, value.shape[-2:]
    options = dict(device=attn.device, dtype=attn.dtype)
    offsets = torch.arange(kernel_size, **options)[:, None] - kernel_size // 2
    rows, cols = (
        (2 * torch.arange(fine, **options) + 1) / fine - 1 + 2 * offsets / coarse
        for fine, coarse in ((height, h), (width, w))
    )  # [k, H] and [k, W]
    grid = torch.stack(torch.broadcast_tensors(cols[None, :, None], rows[:, None, :, None]), dim=-1)
    grid = grid.reshape(1, kernel_size**2 * height, width, 2).expand(n, -1, -1, -1)
    samples = F.grid_sample(value, grid, padding_mode='border', align_corners=False)
    return (samples.unflatten(2, (kernel_size**2, height)) * attn[:, None]).sum(dim=2)


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Window sums by a depthwise convolution with ones, over the pixels counted: the authors' guided filter."""
    ones = x.new_ones(x.shape[1], 1, 2 * radius + 1, 2 * radius + 1)
    total = F.conv2d(x, ones, padding=radius, groups=len(ones))
    return total / F.conv2d(torch.ones_like(x[:1, :1]), ones[:1], padding=radius)


#: For `freqfusion_mm.ops.implementation`.
OPS = dict(
    carafe=carafe,
    normalize_kernels=normalize_kernels,
    neighbour_similarity=neighbour_similarity,
    fns_attention=fns_attention,
    window_similarity=window_similarity,
    box_mean=box_mean,
)
