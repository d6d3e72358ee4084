"""Local reassembly by shifted views: k*k fused multiply-adds, no unfolded copy.

The way where no two output pixels share a window (equal sizes, or a coarser output): nothing is computed that does not
count.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .border import pad_border, pad_border_adjoint, window_cells
from .fine_axes import FineAxes

# 128 KiB of float32: a thread's share of a block and of its sum stay in its second-level cache.
_CACHE_ELEMENTS = 32768


def why_not(*args) -> None:
    """It runs everywhere."""


def forward(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    """In axes of whole ratios s x t, the fine pixels Y = s*y + a of one phase (a, b) make a map of the coarse size, in
    which every window offset is a plain shift of the padded input.
    """
    plan = _Plan(features, masks, kernel_size, groups, padding)
    out = features.new_empty(*features.shape[:2], *plan.axes.whole)
    blocks = out.view(*plan.shape[:2], *plan.axes.whole)
    for block, padded, kernels in plan.blocks():
        views = plan.views(padded)
        for (rows, cols), taps in zip(plan.phases, kernels):
            slab = views[0] * taps[0]
            for view, tap in zip(views[1:], taps[1:]):
                slab.addcmul_(view, tap)
            blocks[(*block, rows, cols)] = slab
    return out if plan.axes.whole == plan.axes.fine else plan.axes.gather(out)


def backward(
    grad_out: Tensor,
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    groups: int,
    padding: str,
    *,
    needs: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of `features` and of `masks`, as far as they are needed."""
    need_features, need_masks = needs
    plan = _Plan(features, masks, kernel_size, groups, padding)
    grad_out = plan.extend(grad_out.reshape(*plan.shape[:2], *masks.shape[-2:]))
    grad_features = torch.empty_like(plan.features) if need_features else None
    grad_kernels = [torch.zeros_like(kernel) for kernel in plan.kernels] if need_masks else None
    for block, padded, kernels in plan.blocks():
        views = plan.views(padded)
        grad_padded = torch.zeros_like(padded) if need_features else None
        targets = plan.views(grad_padded) if need_features else None
        for phase, ((rows, cols), taps) in enumerate(zip(plan.phases, kernels)):
            slab = grad_out[(*block, rows, cols)].to(plan.dtype).contiguous()
            if need_features:
                for target, tap in zip(targets, taps):
                    target.addcmul_(slab, tap)
            if need_masks:
                for view, total in zip(views, grad_kernels[phase][block[0]].unbind(1)):
                    total += (slab * view).sum(1, keepdim=True)
        if need_features:
            grad_features[block] = plan.unpad(grad_padded)
    grad_masks = None
    if need_features:
        grad_features = grad_features.view(features.shape)
    if need_masks:
        grad_masks = masks.new_empty(*masks.shape[:2], *plan.axes.whole)
        for (rows, cols), grad_kernel in zip(plan.phases, grad_kernels):
            grad_masks[..., rows, cols] = grad_kernel.view(*masks.shape[:2], *plan.shape[-2:])
        grad_masks = plan.axes.gather(grad_masks)
    return grad_features, grad_masks


class _Plan:
    """What both passes walk over. Batch and groups are one axis B = N*G; sums are at least float32."""

    def __init__(self, features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> None:
        n, c = features.shape[:2]
        self.steps = [_step(*sizes, kernel_size) for sizes in zip(features.shape[-2:], masks.shape[-2:])]
        coarse = [size // step for size, step in zip(features.shape[-2:], self.steps)]
        h, w = (window_cells(size, kernel_size) for size in coarse)
        self.axes = FineAxes(coarse, masks.shape[-2:], kernel_size % 2 == 0, features.device)
        s, t = self.axes.whole[0] // h, self.axes.whole[1] // w
        self.dtype = torch.promote_types(features.dtype, torch.float32)
        self.kernel_size, self.padding = kernel_size, padding
        self.shape = (n * groups, c // groups, h, w)
        self.features = features.reshape(*self.shape[:2], *features.shape[-2:]).contiguous()
        masks = self.extend(masks)
        self.phases = [(slice(a, None, s), slice(b, None, t)) for a in range(s) for b in range(t)]
        self.kernels = [
            masks[..., rows, cols].to(self.dtype).reshape(n * groups, kernel_size**2, 1, h, w)
            for rows, cols in self.phases
        ]

    def extend(self, fine: Tensor) -> Tensor:
        """A fine map on the axes of whole ratios."""
        if fine.shape[-2:] == self.axes.whole:
            return fine
        return self.axes.scatter(fine, fine.new_zeros(*fine.shape[:-2], *self.axes.whole))

    def views(self, padded: Tensor) -> list[Tensor]:
        """The k*k shifted views of a padded map, row by row of the window."""
        rows, cols = (
            [slice(i, i + size * step, step) for i in range(self.kernel_size)]
            for size, step in zip(self.shape[-2:], self.steps)
        )
        return [padded[..., row, col] for row in rows for col in cols]

    def unpad(self, grad_padded: Tensor) -> Tensor:
        return pad_border_adjoint(grad_padded, self.features.shape[-2:], self.kernel_size // 2, self.padding)

    def blocks(self) -> Iterator[tuple[tuple[slice, slice], Tensor, list[tuple[Tensor, ...]]]]:
        """Index of a block of samples and channels, its padded features, and its kernels, one list of k*k maps a phase.

        On a CPU a block is what stays in cache while all taps of all phases pass over it; elsewhere everything is one
        block.
        """
        batch, channels, h, w = self.shape
        step, samples = channels, batch
        if self.features.device.type == 'cpu':
            elements = _CACHE_ELEMENTS * torch.get_num_threads()
            step = min(channels, max(1, elements // (h * w)))
            samples = max(1, elements // (step * h * w))
        for b in range(0, batch, samples):
            kernels = [kernel[b : b + samples].unbind(1) for kernel in self.kernels]
            for c in range(0, channels, step):
                block = (slice(b, b + samples), slice(c, c + step))
                features = self.features[block].to(self.dtype)
                yield block, pad_border(features, self.kernel_size // 2, self.padding), kernels


def _step(features: int, out: int, kernel_size: int) -> int:
    """From window to window along an axis: several pixels where the output is coarser by a whole ratio."""
    return features // out if kernel_size % 2 and features % out == 0 else 1
