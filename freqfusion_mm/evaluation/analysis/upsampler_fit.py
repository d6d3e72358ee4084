"""What every upsampler makes of one feature map: fitted for a few steps to bring it back from its average.

A feature map of the image (soft colour and texture clusters, or the user's) is averaged down by a ratio. Each
upsampler is fitted to bring back the fine map, guided by the image where it takes a guide: in one direct step, or by
repeated steps of x2.
"""

from inspect import signature

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import FADE, Deconv, build_fusion, find_upsampler

CLUSTERS = 16


def cluster_map(image: Tensor, clusters: int = CLUSTERS, rounds: int = 15) -> Tensor:
    """Soft memberships of every pixel in k-means clusters of its colour and texture, [1, clusters, H, W]."""
    grey = image.mean(dim=1, keepdim=True)
    edges = F.pad(grey, (1, 1, 1, 1), mode='replicate')
    texture = (edges[..., 2:, 1:-1] - edges[..., :-2, 1:-1]).abs()
    texture = texture + (edges[..., 1:-1, 2:] - edges[..., 1:-1, :-2]).abs()
    near, far = max(1, image.shape[-1] // 64), max(1, image.shape[-1] // 32)
    parts = [
        F.avg_pool2d(image, 2 * near + 1, 1, near, count_include_pad=False),
        F.avg_pool2d(texture, 2 * far + 1, 1, far, count_include_pad=False),
    ]
    points = torch.cat(parts, dim=1)[0].flatten(1).t()  # [H * W, 4]
    points = (points - points.mean(dim=0)) / (points.std(dim=0) + 1e-6)
    centres = points[torch.randperm(len(points))[:clusters]]
    for _ in range(rounds):
        nearest = torch.cdist(points, centres).argmin(dim=1)
        members = F.one_hot(nearest, clusters).to(points.dtype)
        centres = members.t() @ points / members.sum(dim=0).clamp(min=1)[:, None]
    soft = (-4 * torch.cdist(points, centres)).softmax(dim=1)
    return soft.t().reshape(1, clusters, *image.shape[-2:])


class Way(nn.Module):
    """One upsampler at one ratio, in one step or in steps of x2."""

    def __init__(self, name: str, channels: int, ratio: int, direct: bool) -> None:
        super().__init__()
        options = {}
        kind = find_upsampler(name)
        if direct and 'scale_factor' in signature(kind).parameters and not getattr(kind, 'direct', False):
            options = dict(scale_factor=ratio)
            if kind is Deconv:
                options['kernel_size'] = 2 * ratio
        if kind is FADE:
            options['gated'] = False  # the image is no map that could be mixed in
        self.fusion = build_fusion(dict(type=name, **options), channels, 3)
        self.ratios = [1] if direct else [2**k for k in reversed(range(ratio.bit_length() - 1))]

    def forward(self, lr_feat: Tensor, image: Tensor) -> Tensor:
        for ratio in self.ratios:
            lr_feat, _ = self.fusion(lr_feat, F.avg_pool2d(image, ratio))
        return lr_feat


def reaches_directly(name: str) -> bool:
    """Whether it takes any ratio in one step."""
    kind = find_upsampler(name)
    return getattr(kind, 'direct', False) or 'scale_factor' in signature(kind).parameters


def fit(way: Way, fine: Tensor, image: Tensor, ratio: int, steps: int) -> None:
    """On random crops of the one picture."""
    parameters = list(way.parameters())
    if not parameters:
        return
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    crop = min(max(64, 4 * ratio), *fine.shape[-2:])
    for _ in range(steps):
        top, left = (ratio * int(torch.randint((size - crop) // ratio + 1, ())) for size in fine.shape[-2:])
        window = (..., slice(top, top + crop), slice(left, left + crop))
        target = fine[window]
        loss = F.mse_loss(way(F.avg_pool2d(target, ratio), image[window]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
