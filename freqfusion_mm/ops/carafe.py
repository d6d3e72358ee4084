"""Local reassembly: every output pixel is a weighted sum of a k x k window of the (coarser) input.

Paper: CARAFE: Content-Aware ReAssembly of FEatures, ICCV 2019.
Source: the contract is that of `mmcv.ops.carafe` (mmcv 2.x, Apache-2.0), written anew. Ours runs on every device and
float dtype, accepts any pair of sizes, and can reflect or repeat the border instead of reading zeros.
"""


from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import source_index

# 128 KiB of float32: a block and its sum share the second-level cache, and one thread takes the whole block.
_CACHE_ELEMENTS = 32768

PADDINGS = ('zeros', 'reflect', 'replicate')
IMPLS = ('auto', 'shifted', 'reference')


def carafe(features: Tensor,
           masks: Tensor,
           kernel_size: int,
           group_size: int = 1,
           scale_factor: int | None = None,
           *,
           padding: str = 'zeros',
           impl: str = 'auto') -> Tensor:
    """Reassemble `features` with one k x k kernel per output pixel and channel group.

    Convention:
        `out[n,c,Y,X] = sum_ij masks[n, g*k*k + i*k + j, Y, X] * features[n, c, y + i - r, x + j - r]` with
        `r = (k-1)/2`, `g = c // (C / group_size)`, `y = floor(Y*h/H)`, `x = floor(X*w/W)` (`Y // s` where the ratio s
        is whole). Neighbours outside the map count as zero (`padding='zeros'`, mmcv's CUDA kernel) or are mirrored
        without repeating the edge (`padding='reflect'`, FreqFusion's own fallback), over and over where the map is
        smaller than the window, or repeat the edge (`padding='replicate'`). The masks are used as they are: normalise
        them before.

    Args:
        features: [N, C, h, w], any float dtype.
        masks: [N, group_size * kernel_size**2, H, W], dtype and device of `features`.
        kernel_size: odd window width k.
        group_size: number of channel groups that have a kernel of their own (mmcv's name); divides C.
        scale_factor: the ratio H/h = W/w, checked. None: the sizes alone decide, and need no whole ratio.
        padding: 'zeros', 'reflect' or 'replicate'.
        impl: 'shifted' accumulates shifted views in one buffer and saves nothing but the two inputs for the
            backward pass; 'reference' is the definition in plain differentiable indexing, for tests and higher
            derivatives; 'auto' picks 'shifted'. Half-precision inputs are accumulated in float32 by 'shifted'.

    Returns:
        [N, C, H, W] in the dtype of `features`. Differentiable twice in both arguments.

    Raises:
        TypeError: tensors of different or non-float dtypes.
        ValueError: shapes, kernel size, groups, padding or impl that do not fit.

    Example:
        >>> x = torch.rand(1, 8, 5, 7)
        >>> kernels = torch.rand(1, 25, 10, 14).softmax(dim=1)
        >>> carafe(x, kernels, kernel_size=5, group_size=1, scale_factor=2).shape
        torch.Size([1, 8, 10, 14])
    """
    _check(features, masks, kernel_size, group_size, scale_factor, padding, impl)
    if impl == 'reference':
        return reassemble_reference(features, masks, kernel_size, group_size, padding)
    (h, w), (height, width) = features.shape[-2:], masks.shape[-2:]
    if height % h == 0 and width % w == 0:
        return reassemble_whole_ratio(features, masks, kernel_size, group_size, padding)
    to_rows, from_rows = _whole_ratio(h, height, features.device)
    to_cols, from_cols = _whole_ratio(w, width, features.device)
    masks = masks.index_select(-2, to_rows).index_select(-1, to_cols)
    out = reassemble_whole_ratio(features, masks, kernel_size, group_size, padding)
    return out.index_select(-2, from_rows).index_select(-1, from_cols)


def reassemble_whole_ratio(features: Tensor, masks: Tensor, kernel_size: int, group_size: int = 1,
                           padding: str = 'zeros') -> Tensor:
    """The core of `carafe`, for the other operators: whole ratios, no checks, and windows of any width.

    Convention:
        An odd window sits on a pixel. An even one sits on a corner between pixels, of which there are (h+1) x (w+1):
        corner p reads the pixels p - k/2 ... p + k/2 - 1, and the masks are a whole multiple of these sizes.
        The masks may have a wider dtype than the features.
    """
    return _Shifted.apply(features, masks, kernel_size, group_size, padding)


def _cells(size: int, kernel_size: int) -> int:
    """Places of a window along an axis: its pixels, or the corners between and around them."""
    return size + 1 - kernel_size % 2


def _check(features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale_factor: int | None,
           padding: str, impl: str) -> None:
    if padding not in PADDINGS:
        raise ValueError(f'padding must be one of {PADDINGS}, got {padding!r}')
    if impl not in IMPLS:
        raise ValueError(f'impl must be one of {IMPLS}, got {impl!r}')
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f'kernel_size must be odd and positive (the window is centred), got {kernel_size}')
    for name, tensor in (('features', features), ('masks', masks)):
        if tensor.dim() != 4:
            raise ValueError(f'{name} must be 4-D [N, C, H, W], got shape {tuple(tensor.shape)}')
        if not tensor.is_floating_point():
            raise TypeError(f'{name} must be floating point, got {tensor.dtype}')
    if features.dtype != masks.dtype or features.device != masks.device:
        raise TypeError(f'features and masks must share dtype and device, got {features.dtype} on {features.device} '
                        f'and {masks.dtype} on {masks.device}: convert the masks with `masks.to(features)`')
    (n, c, h, w), (n_masks, c_masks, height, width) = features.shape, masks.shape
    if 0 in (c, h, w, height, width):
        raise ValueError(f'empty map: features {tuple(features.shape)}, masks {tuple(masks.shape)}')
    if n != n_masks:
        raise ValueError(f'features and masks must have one batch size, got {n} and {n_masks}')
    if group_size < 1 or c % group_size:
        raise ValueError(f'group_size must divide the {c} feature channels, got {group_size}')
    if c_masks != group_size * kernel_size**2:
        raise ValueError(f'masks must have group_size * kernel_size**2 = {group_size * kernel_size**2} channels, '
                         f'got {c_masks}')
    if scale_factor is not None and (height, width) != (h * scale_factor, w * scale_factor):
        raise ValueError(f'masks must be {scale_factor} times the {h}x{w} features, i.e. {h * scale_factor}x'
                         f'{w * scale_factor}, got {height}x{width}: give scale_factor=None for other ratios')


# ---------------------------------------------------------------- the definition


def _window_index(coarse: int, cells: int, fine: int, offset: int, padding: str, device) -> tuple[Tensor, Tensor]:
    """Coarse index that each fine pixel reads at a window offset, and whether it lies inside the map."""
    index = source_index(cells, fine, device) + offset
    inside = (index >= 0) & (index < coarse)
    return _border_index(index, coarse, padding), inside


def _border_index(index: Tensor, size: int, padding: str) -> Tensor:
    """Where an index that may lie outside is read: mirrored without repeating the edge as often as it takes, or
    moved to the edge."""
    if padding != 'reflect' or size == 1:
        return index.clamp(0, size - 1)
    index = index % (2 * size - 2)
    return torch.minimum(index, 2 * size - 2 - index)


def reassemble_reference(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    n, c, h, w = features.shape
    height, width = masks.shape[-2:]
    radius = kernel_size // 2
    masks = masks.view(n, groups, kernel_size, kernel_size, height, width)
    out = features.new_zeros(n, groups, c // groups, height, width)
    for i in range(kernel_size):
        rows, row_inside = _window_index(h, _cells(h, kernel_size), height, i - radius, padding, features.device)
        for j in range(kernel_size):
            cols, col_inside = _window_index(w, _cells(w, kernel_size), width, j - radius, padding, features.device)
            neighbours = features[:, :, rows[:, None], cols].view(n, groups, c // groups, height, width)
            if padding == 'zeros':
                neighbours = neighbours * (row_inside[:, None] & col_inside)
            out = out + masks[:, :, None, i, j] * neighbours
    return out.reshape(n, c, height, width).to(features.dtype)


# ---------------------------------------------------------------- shifted views


def _whole_ratio(coarse: int, fine: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Embeds a fine axis in one of a whole ratio, `ceil(fine/coarse) * coarse` pixels long.

    Returns:
        the fine pixel that each pixel of the longer axis copies (any, where it has none of its own), and the pixel
        of the longer axis that each fine pixel is found at.
    """
    ratio = -(-fine // coarse)
    first = (torch.arange(coarse, device=device) * fine + coarse - 1) // coarse  # first fine pixel of a coarse one
    to_whole = (first[:, None] + torch.arange(ratio, device=device)).clamp(max=fine - 1).flatten()
    source = source_index(coarse, fine, device)
    from_whole = source * ratio + torch.arange(fine, device=device) - first[source]
    return to_whole, from_whole


def pad_border(features: Tensor, radius: int, padding: str) -> Tensor:
    if padding == 'zeros':
        return F.pad(features, (radius, ) * 4)
    rows, cols = (_border_index(torch.arange(-radius, size + radius, device=features.device), size, padding)
                  for size in features.shape[-2:])
    return features.index_select(-2, rows).index_select(-1, cols)


def pad_border_adjoint(grad: Tensor, size: torch.Size, radius: int, padding: str) -> Tensor:
    """Transpose of `pad_border`: what each padded pixel received goes back to the pixel that it was read from."""
    h, w = size
    if padding == 'zeros':
        return grad[..., radius:radius + h, radius:radius + w]
    rows, cols = (_border_index(torch.arange(-radius, n + radius, device=grad.device), n, padding) for n in size)
    grad = grad.new_zeros(*grad.shape[:-2], h, grad.shape[-1]).index_add_(-2, rows, grad)
    return grad.new_zeros(*grad.shape[:-1], w).index_add_(-1, cols, grad)


class _Shifted(torch.autograd.Function):
    """Whole ratios s x t. The fine pixels Y = s*y + a of one phase (a, b) make a map of the coarse size, in which every
    window offset is a plain shift of the padded input: k*k fused multiply-adds of views, no unfolded copy."""

    @staticmethod
    def forward(ctx, features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
        ctx.save_for_backward(features, masks)
        ctx.config = kernel_size, groups, padding
        plan = _Plan(features, masks, kernel_size, groups, padding)
        out = features.new_empty(*plan.shape[:2], *masks.shape[-2:])
        for block, views, kernels in plan.blocks():
            for (rows, cols), taps in zip(plan.phases, kernels):
                slab = views[0] * taps[0]
                for view, tap in zip(views[1:], taps[1:]):
                    slab.addcmul_(view, tap)
                out[(*block, rows, cols)] = slab
        return out.view(*features.shape[:2], *masks.shape[-2:])

    @staticmethod
    def backward(ctx, grad_out: Tensor):
        features, masks = ctx.saved_tensors
        kernel_size, groups, padding = ctx.config
        if torch.is_grad_enabled():  # a higher derivative is wanted: differentiate the definition
            out = reassemble_reference(features, masks, kernel_size, groups, padding)
            return *torch.autograd.grad(out, (features, masks), grad_out, create_graph=True), None, None, None

        plan = _Plan(features, masks, kernel_size, groups, padding)
        need_features, need_masks = ctx.needs_input_grad[:2]
        grad_out = grad_out.reshape(*plan.shape[:2], *grad_out.shape[-2:])
        grad_padded = torch.zeros_like(plan.padded) if need_features else None
        grad_kernels = [torch.zeros_like(kernel) for kernel in plan.kernels] if need_masks else None
        for block, views, kernels in plan.blocks():
            targets = plan.views(grad_padded[block]) if need_features else None
            for phase, ((rows, cols), taps) in enumerate(zip(plan.phases, kernels)):
                slab = grad_out[(*block, rows, cols)].to(plan.dtype).contiguous()
                if need_features:
                    for target, tap in zip(targets, taps):
                        target.addcmul_(slab, tap)
                if need_masks:
                    for view, total in zip(views, grad_kernels[phase][block[0]].unbind(1)):
                        total += (slab * view).sum(1, keepdim=True)
        grad_features = grad_masks = None
        if need_features:
            grad_features = pad_border_adjoint(grad_padded, features.shape[-2:], kernel_size // 2, padding)
            grad_features = grad_features.to(features.dtype).view(features.shape)
        if need_masks:
            grad_masks = torch.empty_like(masks)
            for (rows, cols), grad_kernel in zip(plan.phases, grad_kernels):
                grad_masks[..., rows, cols] = grad_kernel.view(*masks.shape[:2], *plan.shape[-2:])
        return grad_features, grad_masks, None, None, None


def _is_compiling() -> bool:
    """Whether a compiler traces this call; torch 2.1 cannot tell, and gets the blocked loop."""
    return hasattr(torch.compiler, 'is_compiling') and torch.compiler.is_compiling()


class _Plan:
    """What both passes of `_Shifted` walk over. Batch and groups are one axis B = N*G; sums are at least float32."""

    def __init__(self, features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> None:
        n, c = features.shape[:2]
        h, w = (_cells(size, kernel_size) for size in features.shape[-2:])
        s, t = masks.shape[-2] // h, masks.shape[-1] // w
        self.dtype = torch.promote_types(features.dtype, torch.float32)
        self.kernel_size = kernel_size
        self.shape = (n * groups, c // groups, h, w)
        padded = pad_border(features.to(self.dtype), kernel_size // 2, padding)
        self.padded = padded.reshape(*self.shape[:2], *padded.shape[-2:])  # [B, C/G, h + k - 1, w + k - 1]
        self.phases = [(slice(a, None, s), slice(b, None, t)) for a in range(s) for b in range(t)]
        self.kernels = [masks[..., rows, cols].to(self.dtype).reshape(n * groups, kernel_size**2, 1, h, w)
                        for rows, cols in self.phases]

    def views(self, padded: Tensor) -> list[Tensor]:
        """The k*k shifted views of a padded map, row by row of the window."""
        h, w = self.shape[-2:]
        return [padded[..., i:i + h, j:j + w] for i in range(self.kernel_size) for j in range(self.kernel_size)]

    def blocks(self) -> Iterator[tuple[tuple, list[Tensor], list[tuple[Tensor, ...]]]]:
        """Index of a block of samples and channels, its shifted views, and its kernels as one list of k*k maps a phase.

        On a CPU a block is what stays in cache while all taps of all phases pass over it; elsewhere, and for a
        compiler (which blocks loops itself), everything is one block.
        """
        batch, channels, h, w = self.shape
        step, samples = channels, batch
        if self.padded.device.type == 'cpu' and not _is_compiling():
            step = min(channels, max(1, _CACHE_ELEMENTS // (h * w)))
            samples = max(1, _CACHE_ELEMENTS // (step * h * w))
        for b in range(0, batch, samples):
            kernels = [kernel[b:b + samples].unbind(1) for kernel in self.kernels]
            for c in range(0, channels, step):
                block = (slice(b, b + samples), slice(c, c + step))
                yield block, self.views(self.padded[block]), kernels
